"""Speed and memory of LeReS and Normal BAE against controlnet-aux's own code on the same random weights.

    python benchmarks/surfaces.py [--rounds 3] [--sizes 512 1024] [--threads 1] [--networks leres bae] [--no-memory]

Whole calls, from the picture to the 8-bit map, in one process and interleaved; maps are compared first, and the script
stops where they differ. LeReS gets the peer's input (parity), so that there is something to compare. Memory: highest
resident set of a second call above what was there before it, each in a process of its own (Linux). Prints Markdown; run
from the repository with tests/ on the path (PYTHONPATH=.dev:.).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import peer
import peer_surfaces
import torch
from annotators import picture, placements
from interleave import interleave, load, processor, set_threads
from lora import forget_peak, resident

from underdrawing.core.device import Placement
from underdrawing.core.models import unload
from underdrawing.core.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray
    from torch import Tensor

    Picture = NDArray[np.uint8]
    Run = Callable[[Picture], Picture]

THEIRS = "controlnet-aux, eager float32"
NETWORKS: dict[str, tuple[str, Callable[[], tuple[Any, dict[str, Tensor]]], dict[str, Any]]] = {
    "leres": ("depth_leres", peer_surfaces.leres, {"parity": True}),
    "bae": ("normal_bae", peer_surfaces.bae, {}),
}
"""Our annotator, the peer with its weights, and the parameters that make both do the same."""

LEVELS = {"float32": 1, "bfloat16": 40}
"""Largest difference of two maps that is let pass: rounding of a level; a blunder in bfloat16."""


@contextmanager
def handed_out(tensors: dict[str, Tensor]) -> Generator[None, None, None]:
    """Let our store give these tensors for every weight it is asked for."""
    named = {f"module.{name}": tensor for name, tensor in tensors.items()}

    def given(self: Store, weight: object) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(named), {}

    def found(self: Store, weight: object, progress: object = None) -> Path:
        return Path("random")

    with patch.object(Store, "require", found), patch.object(Store, "tensors", given):
        unload()
        yield
        unload()


def theirs(detector: Any) -> Run:
    """The peer's call."""

    def run(image: Picture) -> Picture:
        side = min(image.shape[:2])
        with torch.no_grad():
            return detector(image, detect_resolution=side, image_resolution=side, output_type="np")

    return run


def ours(name: str, placement: Placement) -> Run:
    """Our call."""
    annotator, options = registry.resolve(NETWORKS[name][0]).annotator, NETWORKS[name][2]
    made = annotator.ready(annotator.params(**options), dtype=placement.dtype, backend=placement.backend)
    return lambda image: made(image[None], resolution=0).images[0]


def compare(name: str, sizes: list[int], threads: int, rounds: int) -> None:
    """Print a table for each size."""
    detector, tensors = NETWORKS[name][1]()
    with handed_out(tensors):
        runs = {THEIRS: theirs(detector)} | {f"ours, {way}": ours(name, at) for way, at in placements().items()}
        for side in sizes:
            image = picture(side)
            worst = {way: _difference(runs[THEIRS](image), run(image), way) for way, run in runs.items()}
            timings = interleave({way: partial(run, image) for way, run in runs.items()}, rounds)
            first = timings[THEIRS].figure(threads)
            unit = "CPU ms (median)" if threads == 1 else "wall ms (min)"
            print(f"\n**{NETWORKS[name][0]}, whole annotator, {side} x {side}**\n")
            print(f"| | {unit} | ratio | difference in levels, largest and mean |\n|---|---|---|---|")
            for way, timing in timings.items():
                figure = timing.figure(threads)
                print(f"| {way} | {figure * 1e3:.0f} | {first / figure:.2f} | {worst[way]} |", flush=True)


def _difference(expected: Picture, found: Picture, way: str) -> str:
    levels = np.abs(expected.astype(int) - found)
    allowed = LEVELS["bfloat16" if way.endswith("bfloat16") else "float32"]
    if levels.max() > allowed:
        raise SystemExit(f"{way}: maps differ by {levels.max()} levels")
    return f"{levels.max()}, {levels.mean():.3f}"


def memory(names: list[str], sizes: list[int]) -> None:
    """Print what a call needs beyond what lies there already, each from a process of its own."""
    print("\n**Memory of a call, MiB above what was resident before**\n\n| | " + " | ".join(map(str, sizes)) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in names:
        for way in ("theirs", *placements()):
            found = [_child(name, way, side) for side in sizes]
            shown = THEIRS if way == "theirs" else f"ours, {way}"
            print(f"| {NETWORKS[name][0]}, {shown} | {' | '.join(found)} |", flush=True)


def _child(name: str, way: str, side: int) -> str:
    command = [sys.executable, __file__, "--networks", name, "--sizes", str(side), "--child", way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"fails: {done.stderr.strip().splitlines()[-1]}"


def child(name: str, way: str, side: int) -> None:
    """Print the peak of the second call in this process."""
    set_threads(1)
    detector, tensors = NETWORKS[name][1]()
    image = picture(side)
    with handed_out(tensors):
        run = theirs(detector) if way == "theirs" else ours(name, placements()[way])
        del detector
        run(image)
        before = resident()
        forget_peak()
        run(image)
        print(f"{resident('VmHWM') - before:.0f}")


def main() -> None:
    """Measure speed, then memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if find_spec(peer.PACKAGE) is None:
        raise SystemExit(peer.HINT)
    if arguments.child:
        child(arguments.networks[0], arguments.child, arguments.sizes[0])
        return
    set_threads(arguments.threads)
    print(f"# LeReS and Normal BAE\n\n{processor()}; torch {torch.__version__}, {arguments.threads} threads, ", end="")
    print(f"{arguments.rounds} rounds\n\n{load()}")
    for name in arguments.networks:
        compare(name, arguments.sizes, arguments.threads, arguments.rounds)
    if not arguments.no_memory and Path("/proc/self/clear_refs").exists():
        memory(arguments.networks, arguments.sizes)


if __name__ == "__main__":
    main()
