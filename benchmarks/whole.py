"""Speed and memory of whole annotators against controlnet-aux or transformers on the same random weights.

    python benchmarks/whole.py [--rounds 3] [--sizes 512 1024] [--batch 1 8] [--networks lineart anime teed ...]

From pictures to 8-bit maps, in one process and interleaved; maps are compared first. Maps that differ by more than
rounding are said to in their row, the others go on, and the script ends with 1. The peers take one picture a call. Of
several pictures only our fastest formats are measured. Memory: highest resident set of later calls above what was there
before them, each in a process of its own (Linux); --no-memory leaves it out. Prints Markdown; run from the repository
(PYTHONPATH=.dev:.).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from candidates import PAIRS, Pair, handed_out, ours, theirs
from hed import picture, placements
from interleave import interleave, load, processor, set_threads
from lora import forget_peak, resident

if TYPE_CHECKING:
    from candidates import Pictures

    from underdrawing.core.networks.placement import Placement

DIFFERS = "**differs**: "
"""Start of the entry of a map that is another."""
REACH = 2
"""Pixels within which a line's pixel finds the same line in the other map."""
LEVELS = {"float32": 1, "bfloat16": 64}
"""Largest difference of two maps that is let pass: rounding of a level; a blunder in bfloat16."""


def compare(pair: Pair, sizes: list[int], counts: list[int], threads: int, rounds: int) -> bool:
    """Print a table for each number of pictures and each size; returns whether all maps agree."""
    agree = True
    call, tensors = pair.peer()
    with handed_out(tensors):
        for count in counts:
            ways = placements() if count == 1 else fastest()
            runs = {pair.label: theirs(call)} | {f"ours, {way}": ours(pair, at) for way, at in ways.items()}
            for side in sizes:
                images = np.stack([picture(side)] * count)
                expected = runs[pair.label](images)
                told = {way: difference(expected, run(images), way, pair) for way, run in runs.items()}
                agree &= not any(text.startswith(DIFFERS) for text in told.values())
                timings = interleave(
                    {way: partial(run, images) for way, run in runs.items()}, rounds if count == 1 else 1, warm=False
                )
                first = timings[pair.label].figure(threads)
                unit = "CPU ms (median)" if threads == 1 else "wall ms (min)"
                pictures = f", {count} pictures, one round" if count > 1 else ""
                print(f"\n**{pair.annotator}, whole annotator, {side} x {side}{pictures}**\n")
                print(f"| | {unit} | ratio | difference in levels |\n|---|---|---|---|")
                for way, timing in timings.items():
                    figure = timing.figure(threads)
                    print(f"| {way} | {figure * 1e3:.0f} | {first / figure:.2f} | {told[way]} |", flush=True)
    return agree


def fastest() -> dict[str, Placement]:
    """The last way of each backend, which is bfloat16 where the processor has it."""
    return dict({way.split()[0]: (way, at) for way, at in placements().items()}.values())


def difference(expected: Pictures, found: Pictures, way: str, pair: Pair) -> str:
    """How far two maps are apart, in words, behind DIFFERS where it is no rounding."""
    levels = np.abs(expected.astype(int) - found)
    short = way.endswith("bfloat16")
    if pair.drawn or pair.lines:
        if pair.lines:
            share, text = unmatched(expected, found), f"of the lines' pixels farther than {REACH} px from the other's"
        else:
            share = (levels > 1).sum() / max(1, ((expected > 0) | (found > 0)).sum())
            text = "of the values that are not black by more than 1"
        return f"{DIFFERS if share > (0.5 if short else 0.001) else ''}{share:.2%} {text}"
    blunder = levels.max() > LEVELS["bfloat16" if short else "float32"]
    return f"{DIFFERS if blunder else ''}largest {levels.max()}, mean {levels.mean():.3f}"


def unmatched(expected: Pictures, found: Pictures) -> float:
    """Share of the pixels of either map's lines that have no line of the other within REACH."""
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    alone = total = 0
    for one, other in ((expected, found), (found, expected)):
        for lines, wanted in zip(one[..., 0], other[..., 0], strict=True):
            near = cv2.dilate(wanted, kernel)
            alone += int(((lines > 0) & (near == 0)).sum())
            total += int((lines > 0).sum())
    return alone / max(1, total)


def memory(names: list[str], sizes: list[int], counts: list[int]) -> None:
    """Print what a call needs beyond what lies there already, each from a process of its own."""
    columns = [(side, count) for count in counts for side in (sizes if count == 1 else sizes[:1])]
    heads = [f"{side} x {side}{f', {count} pictures' * (count > 1)}" for side, count in columns]
    print("\n**Memory of a call, MiB above what was resident before**\n\n| | " + " | ".join(heads) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in names:
        for way in ("", *placements()):
            found = [_child(name, way, side, count) for side, count in columns]
            shown = f"ours, {way}" if way else PAIRS[name].label
            print(f"| {PAIRS[name].annotator}, {shown} | {' | '.join(found)} |", flush=True)


def _child(name: str, way: str, side: int, count: int) -> str:
    command = [sys.executable, __file__, "--networks", name, "--sizes", str(side), "--batch", str(count)]
    done = subprocess.run([*command, "--child", way], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"fails: {done.stderr.strip().splitlines()[-1]}"


def give_back() -> None:
    """Return what was freed to the system (glibc), so that no earlier call's memory hides what the next one needs."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def child(pair: Pair, way: str, side: int, count: int) -> None:
    """Print the peak of two calls in this process, which was warmed up with another."""
    set_threads(1)
    call, tensors = pair.peer()
    images = np.stack([picture(side)] * count)
    with handed_out(tensors):
        run = ours(pair, placements()[way]) if way else theirs(call)
        run(images)
        give_back()
        before = resident()
        forget_peak()
        run(images)
        run(images)
        print(f"{resident('VmHWM') - before:.0f}")


def main() -> None:
    """Measure speed, then memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        child(PAIRS[arguments.networks[0]], arguments.child, arguments.sizes[0], arguments.batch[0])
        return
    set_threads(arguments.threads)
    print(f"# Whole annotators\n\n{processor()}; torch {torch.__version__}, {arguments.threads} threads, ", end="")
    print(f"{arguments.rounds} rounds\n\n{load()}")
    agree = True
    for name in () if arguments.no_speed else arguments.networks:
        try:
            agree &= compare(PAIRS[name], arguments.sizes, arguments.batch, arguments.threads, arguments.rounds)
        except ModuleNotFoundError as error:
            print(f"\n{PAIRS[name].annotator} is left out: {error}")
    if not arguments.no_memory and Path("/proc/self/clear_refs").exists():
        memory(arguments.networks, arguments.sizes, arguments.batch)
    sys.exit(not agree)


if __name__ == "__main__":
    main()
