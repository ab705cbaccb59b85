"""Class colours: painting and enlarging alone, and whole annotators, against what transformers documents.

    PYTHONPATH=.dev:. python benchmarks/segmentation.py [--rounds 5] [--sizes 512 1024] [--networks segformer_b0 ...]

No peer package has these networks; ComfyUI's and diffusers' users call transformers as its documentation says: image
processor, network, `post_process_semantic_segmentation`, and a loop over the palette's 150 colours on its labels, which
are int64. That is the peer here, on the same random weights. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import transformers as library
from interleave import interleave, load, processor, set_threads, table
from tests import random_weights
from tests.pictures import photo
from torch.nn.functional import interpolate

from underdrawing.core.device import Placement, cpu_bf16_unit
from underdrawing.core.geometry import Size
from underdrawing.core.models import Network
from underdrawing.preprocessors.nets import labels, palettes, segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

transformers: Any = library
RECIPES = {
    "segformer_b0": segmentation.segformer("b0"),
    "segformer_b5": segmentation.segformer("b5"),
    "upernet": segmentation.UPERNET,
    "mask2former": segmentation.MASK2FORMER,
    "oneformer_ade20k": segmentation.ONEFORMER_ADE20K,
}
PALETTE = np.frombuffer(palettes.ADE20K.palette, np.uint8).reshape(-1, 3)
TASK = [*segmentation.TASK, *[0] * (segmentation.TASK_LENGTH - len(segmentation.TASK))]


def painted_by_loop(shown: NDArray[Any]) -> NDArray[np.uint8]:
    """One boolean mask and one assignment per class, as the documentation of diffusers and mmsegmentation do."""
    image = np.zeros((*shown.shape, 3), np.uint8)
    for label, colour in enumerate(PALETTE):
        image[shown == label, :] = colour
    return image


def scene(side: int, classes: int = 40) -> NDArray[np.uint8]:
    """Labels of a made-up picture: the nearest of some points decides."""
    random = np.random.RandomState(0)
    points, kinds = random.rand(classes * 2, 2), random.randint(0, 150, classes * 2).astype(np.uint8)
    y, x = np.mgrid[0:side, 0:side] / side
    distance = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    return kinds[distance.argmin(-1)]


def smooth_scores(count: int, side: int) -> torch.Tensor:
    """Scores [1, count, side, side] that change slowly, as those of trained networks do."""
    coarse = torch.randn(1, count, 8, 8, generator=torch.Generator().manual_seed(0))
    return interpolate(coarse, size=(side, side), mode="bicubic")


def painting(side: int, rounds: int, threads: int) -> None:
    """Compare painting alone."""
    shown = scene(side)
    given = shown.astype(np.int64)
    if not np.array_equal(labels.painted(shown[None], palettes.ADE20K)[0], painted_by_loop(given)):
        raise SystemExit("the pictures differ")
    runs = {
        "loop over 150 masks": lambda: painted_by_loop(given),
        "loop over 150 masks, labels uint8": lambda: painted_by_loop(shown),
        "palette[labels]": lambda: PALETTE[shown],
        "ours": lambda: labels.painted(shown[None], palettes.ADE20K),
    }
    table(f"painting, {side} x {side}", interleave(runs, 4 * rounds), threads, {"ours": "equal to the last pixel"})


def enlarging(side: int, rounds: int, threads: int) -> None:
    """Compare what turns scores at a quarter of 512 into labels."""
    for kind, scores in {
        "slow": smooth_scores(150, 128),
        "noise, the worst case": torch.randn(1, 150, 128, 128, generator=torch.Generator().manual_seed(1)),
    }.items():
        runs = {
            "interpolate, argmax": lambda s=scores: interpolate(s, (side, side), mode="bilinear").argmax(1),
            "ours": lambda s=scores: labels.best_classes(s, Size(side, side)),
        }
        same = (runs["interpolate, argmax"]() == runs["ours"]()).float().mean().item()
        title = f"150 scores at 128 x 128 ({kind}) to labels at {side} x {side}"
        table(title, interleave(runs, rounds), threads, {"ours": f"{same:.4%} of the pixels equal"})


class Peer:
    """The documented calls."""

    def __init__(self, name: str, model: Any, size: Size) -> None:
        self.task = "oneformer" in name
        kind = "Mask2FormerImageProcessor" if self.task or name == "mask2former" else "SegformerImageProcessor"
        make = getattr(transformers, f"{kind}Pil", None) or getattr(transformers, kind)
        self.prepare, self.model = make(size={"height": size.height, "width": size.width}), model

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels and colours of one picture."""
        x = self.prepare(image, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            found = self.model(x, torch.tensor([TASK])) if self.task else self.model(x)
        post = self.prepare.post_process_semantic_segmentation
        if self.task:
            make = getattr(transformers, "OneFormerImageProcessorPil", None) or transformers.OneFormerImageProcessor
            return painted_by_loop(
                make.post_process_semantic_segmentation(None, found, target_sizes=[image.shape[:2]])[0].numpy()
            )
        return painted_by_loop(post(found, target_sizes=[image.shape[:2]])[0].numpy())


def networks(name: str) -> tuple[Any, Any]:
    """The library's own module and ours, with the same random weights of the published size."""
    recipe = RECIPES[name]
    config = recipe.load.config()
    if name == "upernet":
        config.use_auxiliary_head, config.auxiliary_in_channels = True, 384
    theirs = getattr(transformers, recipe.load.model.replace("OneFormerModel", "OneFormerForUniversalSegmentation"))
    model = theirs(config).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items() if value.is_floating_point()}
    made = {key: random_weights.tensor(key, shape) for key, shape in shapes.items() if shape}
    model.load_state_dict(made, strict=False)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    return model, recipe.load(state, {}, name).eval()


def whole(name: str, side: int, rounds: int, threads: int) -> None:
    """Compare whole calls, from the picture to the colours."""
    recipe, image = RECIPES[name], photo(side, side)
    theirs, ours = networks(name)
    seen = segmentation.seen_size(Size(side, side), recipe.short, recipe.longest)
    peer = Peer(name, theirs, seen)
    last = torch.channels_last
    ways = {"torch float32": Network(ours.to(memory_format=last), Placement())}
    if cpu_bf16_unit():
        short: Any = recipe.load(dict(theirs.state_dict()), {}, name).eval().bfloat16()
        ways["torch bfloat16, on request"] = Network(short.to(memory_format=last), Placement(dtype="bfloat16"))

    def run(network: Network) -> NDArray[np.uint8]:
        scores = network(segmentation.pixel_values(image[None], seen)).float()
        return labels.painted(labels.best_classes(scores, Size(side, side)).numpy(), palettes.ADE20K)[0]

    runs: dict[str, Any] = {"transformers, as documented": lambda: peer(image)}
    runs |= {f"ours, {way}": lambda network=network: run(network) for way, network in ways.items()}
    expected = peer(image)
    notes = {f"ours, {way}": f"{(run(network) == expected).all(-1).mean():.2%} of the pixels equal"
             for way, network in ways.items()}  # fmt: skip
    title = f"{name}, picture and map {side} x {side}, network sees {seen.height} x {seen.width}"
    table(title, interleave(runs, rounds), threads, notes)
    gc.collect()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="*", default=["segformer_b0", "upernet"], choices=list(RECIPES))
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    print(f"# Segmentation\n\n{processor()}; torch {torch.__version__}, transformers {transformers.__version__}")
    print(load())
    for side in arguments.sizes:
        painting(side, arguments.rounds, arguments.threads)
        enlarging(side, arguments.rounds, arguments.threads)
        for name in arguments.networks:
            whole(name, side, arguments.rounds, arguments.threads)


if __name__ == "__main__":
    main()
