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

import transformers
from interleave import interleave, load, processor, set_threads, table
from peers.peer_segmentation import PALETTE, RECIPES, Documented, painted_by_loop, published, seen
from tests.support.pictures import photo
from torch.nn.functional import interpolate

from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache
from underdrawing.core.networks.network import Network
from underdrawing.core.networks.placement import Placement, find_cpu_bf16_unit
from underdrawing.preprocessors.maps import labels, palettes
from underdrawing.preprocessors.nets import segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    if not np.array_equal(labels.colour_labels(shown[None], palettes.ADE20K)[0], painted_by_loop(given)):
        raise SystemExit("the pictures differ")
    runs = {
        "loop over 150 masks": lambda: painted_by_loop(given),
        "loop over 150 masks, labels uint8": lambda: painted_by_loop(shown),
        "palette[labels]": lambda: PALETTE[shown],
        "ours": lambda: labels.colour_labels(shown[None], palettes.ADE20K),
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
            "ours": lambda s=scores: labels.find_best_classes(s, Size(side, side)),
        }
        same = (runs["interpolate, argmax"]() == runs["ours"]()).float().mean().item()
        title = f"150 scores at 128 x 128 ({kind}) to labels at {side} x {side}"
        table(title, interleave(runs, rounds), threads, {"ours": f"{same:.4%} of the pixels equal"})


def whole(name: str, side: int, rounds: int, threads: int) -> None:
    """Compare whole calls, from the picture to the colours."""
    recipe, image = RECIPES[name], photo(side, side)
    theirs, tensors = published(name)
    size = seen(name, image)
    peer = Documented(name, theirs, size)
    places = {"torch float32": Placement()}
    if find_cpu_bf16_unit():
        places["torch bfloat16, on request"] = Placement(dtype="bfloat16")
    ways = {
        way: Network(cache._prepare(recipe.load(dict(tensors), {}, name), placement), placement)
        for way, placement in places.items()
    }

    def run(network: Network) -> NDArray[np.uint8]:
        scores = network(segmentation.preprocess(image[None], size)).float()
        return labels.colour_labels(labels.find_best_classes(scores, Size(side, side)).numpy(), palettes.ADE20K)[0]

    runs: dict[str, Any] = {"transformers, as documented": lambda: peer(image)}
    runs |= {f"ours, {way}": lambda network=network: run(network) for way, network in ways.items()}
    expected = peer(image)
    notes = {f"ours, {way}": f"{(run(network) == expected).all(-1).mean():.2%} of the pixels equal"
             for way, network in ways.items()}  # fmt: skip
    title = f"{name}, picture and map {side} x {side}, network sees {size.height} x {size.width}"
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
