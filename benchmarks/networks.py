"""Speed and memory of line art, TEED, LeReS and Normal BAE against controlnet-aux's code on the same random weights.

    python benchmarks/networks.py [--rounds 3] [--sizes 512 1024] [--threads 1] [--networks lineart anime teed ...]

Whole calls, from the picture to the 8-bit map, in one process and interleaved; maps are compared first, and the script
stops where they differ. Memory: highest resident set of a second call above what was there before it, each in a process
of its own (Linux); --no-memory leaves it out. Prints Markdown; run from the repository (PYTHONPATH=.dev:.).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np
import peer
import peer_lineart
import peer_surfaces
import torch
from hed import picture, placements
from interleave import interleave, load, processor, set_threads
from lora import forget_peak, resident

from underdrawing.core.models import unload
from underdrawing.core.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray
    from torch import Tensor

    from underdrawing.core.device import Placement

    Picture = NDArray[np.uint8]
    Run = Callable[[Picture], Picture]

THEIRS = "controlnet-aux, eager float32"
LEVELS = {"float32": 1, "bfloat16": 40}
"""Largest difference of two maps that is let pass: rounding of a level; a blunder in bfloat16."""


class Pair(NamedTuple):
    """Our annotator, what makes the peer with its weights, and the parameters with which both do the same.

    options: of both. ours: of ours alone.
    """

    annotator: str
    peer: Callable[[], tuple[Any, dict[str, Tensor]]]
    options: dict[str, Any] = {}  # noqa: RUF012 - never written
    ours: dict[str, Any] = {}  # noqa: RUF012


NETWORKS = {
    "lineart": Pair("lineart", peer_lineart.lineart),
    "anime": Pair("lineart_anime", peer_lineart.anime),
    "teed": Pair("teed", peer_lineart.teed, {"safe_steps": 0}),
    "leres": Pair("depth_leres", peer_surfaces.leres, ours={"parity": True}),
    "bae": Pair("normal_bae", peer_surfaces.bae),
}


@contextmanager
def handed_out(tensors: dict[str, Tensor]) -> Generator[None, None, None]:
    """Let our store give these tensors for every weight it is asked for."""

    def given(self: Store, weight: object) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(tensors), {}

    def found(self: Store, weight: object, progress: object = None) -> Path:
        return Path("random")

    with patch.object(Store, "require", found), patch.object(Store, "tensors", given):
        unload()
        yield
        unload()


def ours(pair: Pair, placement: Placement) -> Run:
    """Our call."""
    annotator = registry.resolve(pair.annotator).annotator
    made = annotator.ready(
        annotator.params(**pair.options, **pair.ours), dtype=placement.dtype, backend=placement.backend
    )
    return lambda image: made(image[None], resolution=0).images[0]


def theirs(pair: Pair, detector: Any) -> Run:
    """The peer's call."""
    return lambda image: peer_lineart.called(detector, image, **pair.options)


def compare(pair: Pair, sizes: list[int], threads: int, rounds: int) -> None:
    """Print a table for each size."""
    detector, tensors = pair.peer()
    with handed_out(tensors):
        runs = {THEIRS: theirs(pair, detector)} | {f"ours, {way}": ours(pair, at) for way, at in placements().items()}
        for side in sizes:
            image = picture(side)
            worst = {way: difference(runs[THEIRS](image), run(image), way) for way, run in runs.items()}
            timings = interleave({way: partial(run, image) for way, run in runs.items()}, rounds)
            first = timings[THEIRS].figure(threads)
            unit = "CPU ms (median)" if threads == 1 else "wall ms (min)"
            print(f"\n**{pair.annotator}, whole annotator, {side} x {side}**\n")
            print(f"| | {unit} | ratio | difference in levels, largest and mean |\n|---|---|---|---|")
            for way, timing in timings.items():
                figure = timing.figure(threads)
                print(f"| {way} | {figure * 1e3:.0f} | {first / figure:.2f} | {worst[way]} |", flush=True)


def difference(expected: Picture, found: Picture, way: str) -> str:
    """Largest and mean difference of two maps in words; ends the script where it is no rounding."""
    levels = np.abs(expected.astype(int) - found)
    if levels.max() > LEVELS["bfloat16" if way.endswith("bfloat16") else "float32"]:
        raise SystemExit(f"{way}: maps differ by {levels.max()} levels")
    return f"{levels.max()}, {levels.mean():.3f}"


def memory(names: list[str], sizes: list[int]) -> None:
    """Print what a call needs beyond what lies there already, each from a process of its own."""
    print("\n**Memory of a call, MiB above what was resident before**\n\n| | " + " | ".join(map(str, sizes)) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in names:
        for way in (THEIRS, *placements()):
            found = [_child(name, way, side) for side in sizes]
            shown = way if way == THEIRS else f"ours, {way}"
            print(f"| {NETWORKS[name].annotator}, {shown} | {' | '.join(found)} |", flush=True)


def _child(name: str, way: str, side: int) -> str:
    command = [sys.executable, __file__, "--networks", name, "--sizes", str(side), "--child", way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"fails: {done.stderr.strip().splitlines()[-1]}"


def child(pair: Pair, way: str, side: int) -> None:
    """Print the peak of the second call in this process."""
    set_threads(1)
    detector, tensors = pair.peer()
    image = picture(side)
    with handed_out(tensors):
        run = theirs(pair, detector) if way == THEIRS else ours(pair, placements()[way])
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
        child(NETWORKS[arguments.networks[0]], arguments.child, arguments.sizes[0])
        return
    set_threads(arguments.threads)
    print(f"# Networks\n\n{processor()}; torch {torch.__version__}, {arguments.threads} threads, ", end="")
    print(f"{arguments.rounds} rounds\n\n{load()}")
    for name in arguments.networks:
        compare(NETWORKS[name], arguments.sizes, arguments.threads, arguments.rounds)
    if not arguments.no_memory and Path("/proc/self/clear_refs").exists():
        memory(arguments.networks, arguments.sizes)


if __name__ == "__main__":
    main()
