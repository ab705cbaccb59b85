"""Speed of Depth Anything v2 small and MiDaS against transformers and controlnet-aux on the same random weights.

    python benchmarks/depth.py [--rounds 5] [--sizes 512 1024] [--threads 1 2]

One thread: medians of the process's CPU time. All threads: shortest wall time. Everything in one process, interleaved.
Prints Markdown. Without controlnet-aux or timm 0.6.13 its rows are left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from hed import picture, placements
from interleave import Timing, all_threads, interleave, load, processor, set_threads, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import peer_depth
from tests import random_weights
from tests.depth_keys import hybrid, vit_small

from underdrawing.core import models
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.nets import depth_anything, dpt_hybrid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from underdrawing.core.device import Placement
    from underdrawing.preprocessors.nets.pretrained import Pretrained

    Candidates = dict[str, Callable[[], object]]

THEIRS = "transformers, eager float32"
AUX = "controlnet-aux, eager float32"
LAST = {"depth_dav2": "depth_head.scratch.output_conv2.2.bias", "depth_midas": "scratch.output_conv.4.bias"}
RECIPES: dict[str, Pretrained] = {
    "depth_dav2": depth_anything.recipe(2, "small", "original"),
    "depth_midas": dpt_hybrid.RECIPES["original"],
}


def weights(name: str) -> dict[str, torch.Tensor]:
    """Random weights under the official keys, with the last bias raised so that nothing is cut off."""
    made = random_weights.tensors(vit_small() if name == "depth_dav2" else hybrid(768))
    made[LAST[name]] += 10000
    return made


class Bench:
    """The candidates of one number of threads."""

    def __init__(self, threads: int, rounds: int) -> None:
        self.threads, self.rounds = threads, rounds
        set_threads(threads)
        models.unload()  # OpenVINO fixes its threads when it compiles
        self.tensors = {name: weights(name) for name in RECIPES}
        self.peers: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "depth_dav2": peer_depth.depth_anything_module(self.tensors["depth_dav2"]),
            "depth_midas": peer_depth.dpt_module(self.tensors["depth_midas"]),
        }
        self.aux = peer_depth.midas(self.tensors["depth_midas"])
        print(f"\n## {threads} thread{'s' * (threads > 1)}")

    def ours(self, name: str, placement: Placement) -> models.Network:
        """Our network on these weights."""
        module = RECIPES[name](self.tensors[name], {}, "random")
        return models._run_by(models._ready(module, placement), placement)

    def network(self, name: str, side: int) -> None:
        """Compare the networks alone."""
        x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        runs: Candidates = {THEIRS: lambda: self.peers[name](x)}
        expected, notes = self.peers[name](x), {}
        for way, placement in placements().items():
            net = self.ours(name, placement)
            runs[f"ours, {way}"] = lambda net=net: net(x)
            notes[f"ours, {way}"] = _difference(net(x), expected)
        self.table(f"network of {name}, {side} x {side}", interleave(runs, self.rounds), notes)

    def whole(self, name: str, side: int) -> None:
        """Compare whole calls, from the picture to the 8-bit map."""
        image = picture(side)
        runs: Candidates = {}
        notes: dict[str, str] = {}
        aux: Any = self.aux
        if name == "depth_midas" and aux is not None:
            settings = {"detect_resolution": side, "image_resolution": side}
            runs[AUX] = lambda: aux(image, **settings)
            expected = aux(image, **settings)
        elif name == "depth_dav2":
            runs[THEIRS] = lambda: self._theirs(image)
            expected = self._theirs(image)
        else:
            return
        for way, placement in placements().items():
            runs[f"ours, {way}"] = call = self._call(name, placement, image, side)
            notes[f"ours, {way}"] = _levels(call(), expected)
        self.table(f"whole annotator {name}, {side} x {side}", interleave(runs, self.rounds), notes)

    def _call(self, name: str, placement: Placement, image: Any, side: int) -> Callable[[], Any]:
        net = self.ours(name, placement)
        module = depth_anything if name == "depth_dav2" else dpt_hybrid
        annotator = registry.resolve(name).annotator
        made = annotator(placement, annotator.params())
        made.load = lambda params: None

        def call() -> Any:
            module.assembled = _handing_over(net)
            return made(image[None], resolution=side).images[0]

        return call

    def _theirs(self, image: Any) -> Any:
        """What scripts around transformers do, without its image processor: cubic to 518, bilinear back, to bytes."""
        small = cv2.resize(image.astype(np.float32) / 255, (518, 518), interpolation=cv2.INTER_CUBIC)
        small = (small - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
        raw = self.peers["depth_dav2"](torch.from_numpy(small).permute(2, 0, 1)[None].float())
        plane = torch.nn.functional.interpolate(raw[:, None], size=image.shape[:2], mode="bilinear")[0, 0].numpy()
        levels = (plane - plane.min()) / (plane.max() - plane.min()) * 255
        return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=-1)

    def normals(self, side: int) -> None:
        """Compare the colours of normals with controlnet-aux's, and say how many pixels differ."""
        if self.aux is None:
            return
        image = picture(side)
        settings = {"detect_resolution": side, "image_resolution": side, "depth_and_normal": True}
        expected = self.aux(image, **settings)[1]
        annotator = registry.resolve("MiDaS-NormalMapPreprocessor").annotator
        net = self.ours("depth_midas", next(iter(placements().values())))
        dpt_hybrid.assembled = _handing_over(net)
        made = annotator(next(iter(placements().values())), annotator.params(background=0.1))
        made.load = lambda params: None
        found = made(image[None], resolution=side).images[0]
        print(f"\nnormals against controlnet-aux at {side}: {_levels(found, expected)}")

    def table(self, title: str, timings: Mapping[str, Timing], notes: Mapping[str, str]) -> None:
        """Print figures and ratios to the first row."""
        table(title, timings, self.threads, notes)


def _handing_over(net: models.Network) -> Callable[[Any, Any, Any], models.Network]:
    """Stand-in for `core.models.assembled` that needs no file."""

    def assembled(weight: Any, load: Any, placement: Any) -> models.Network:
        return net

    return assembled


def _difference(found: torch.Tensor, expected: torch.Tensor) -> str:
    away = (found.float() - expected).abs() / (expected.max() - expected.min())
    return f"mean difference {float(away.mean()):.1e} of the span, largest {float(away.max()):.1e}"


def _levels(found: Any, expected: Any) -> str:
    away = np.abs(found.astype(int) - expected)
    return f"levels away: mean {away.mean():.2f}, largest {away.max()}"


def main() -> None:
    """Measure one thread and all threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, all_threads()])
    arguments = parser.parse_args()
    print(f"# Depth\n\n{processor()}; torch {torch.__version__}, {arguments.rounds} rounds\n{load()}")
    for threads in dict.fromkeys(arguments.threads):
        bench = Bench(threads, arguments.rounds)
        bench.network("depth_dav2", 518)
        bench.network("depth_midas", 384)
        for side in arguments.sizes:
            bench.whole("depth_dav2", side)
            bench.whole("depth_midas", side)
        bench.normals(min(arguments.sizes))


if __name__ == "__main__":
    main()
