"""Every annotator that controlnet-aux, MediaPipe or transformers have a peer for, beside that peer, on two photographs.

    make parity
    python benchmarks/parity.py [--annotators hed canny ...] [--limit SECONDS] [--output FILE]

Both run on the same weights: those that come with the package, where there are some, otherwise random ones under the
official keys. Ours run in float32 on the CPU. Prints Markdown; docs/parity.md is that output. Every row is a process of
its own: one whose peer is not installed, fails, or is not finished in time says so, and the others go on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from candidates import Pair, handed_out, ours, theirs
from parity_rows import LEFT_OUT, ROOT, ROWS

from underdrawing.core.networks.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from candidates import Pictures
    from parity_rows import Row

PHOTOS = ("astronaut.png", "camera.png")
LIMIT = 90
"""Seconds a row may take."""
JOBS = 2
"""Rows at a time, each on one thread."""
ROUNDING = 0.001
"""Share of pixels that may differ by more than a level where two float32 sums are rounded differently."""
HEAD = """# Parity

Maps of the bundled photographs beside those of other packages, in levels of 0..255.
Written by `make parity` on {date}; ours: float32 on the CPU. Rows whose weights are random run both sides on the
same random tensors under the official keys.

| annotator | peer | weights | photographs | largest difference | mean | pixels that differ | verdict |
|---|---|---|---|---|---|---|---|"""


class Difference(NamedTuple):
    """Of two maps, in levels of 0..255: largest, mean, and shares of pixels that differ at all and by more than 1."""

    largest: int
    mean: float
    differing: float
    beyond_rounding: float

    @classmethod
    def between(cls, one: Pictures, other: Pictures) -> Difference:
        """Difference of maps [B, H, W, 3]."""
        levels = np.abs(one.astype(int) - other)
        pixels = levels.max(-1)
        return cls(int(levels.max()), float(levels.mean()), float((pixels > 0).mean()), float((pixels > 1).mean()))

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.largest:
            return "equal"
        if self.beyond_rounding <= ROUNDING:
            return "equal but for rounding"
        return "close" if self.mean < 2 else "differs"


def photographs(count: int, side: int) -> Pictures:
    """RGB [count, side, side, 3]."""
    files = [cv2.imread(str(ROOT / "examples" / "photos" / name), cv2.IMREAD_COLOR) for name in PHOTOS[:count]]
    sized = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in files if image is not None]
    return np.stack([np.asarray(image[..., ::-1], np.uint8, order="C") for image in sized])


def compare(row: Row, images: Pictures) -> Difference:
    """Both maps of both photographs."""
    call, tensors = row.make()
    expected = theirs(call)(images)
    pair = Pair(row.annotator, row.peer, lambda: (call, tensors or {}), row.params)
    with handed_out(tensors) if tensors else nullcontext():
        return Difference.between(expected, ours(pair, Placement())(images))


def cells(row: Row) -> str:
    """Difference and verdict, or why there are none."""
    try:
        found = compare(row, photographs(row.photos, row.side))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one peer that cannot run leaves the others standing
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"| | | cannot run here: {reason}"
    verdict = found.verdict
    if not verdict.startswith("equal"):
        verdict += f": {row.remark or 'not traced'}"
    return f"{found.largest} | {found.mean:.3f} | {found.differing:.2%} | {verdict}"


def run_row(number: int, limit: float) -> str:
    """Cells of a row, from a process of its own."""
    command = [sys.executable, __file__, "--row", str(number)]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, env=one)
    except subprocess.TimeoutExpired:
        return f"| | | not finished in {limit:.0f} s"
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        return f"| | | ended with exit code {run.returncode}: {last}"
    return run.stdout.strip().splitlines()[-1]


def head_cells(row: Row) -> str:
    """Annotator with its parameters, peer with its version, weights, photographs."""
    options = ", ".join(f"{name} {value}" for name, value in row.params.items())
    size = f"{row.photos} of {row.side} x {row.side}"
    name = f"{row.annotator} ({options})" if options else row.annotator
    return f"{name} | {row.peer} {installed(row.peer)} | {row.weights} | {size}"


def installed(package: str) -> str:
    """Version of a package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def page(annotators: list[str] | None, limit: float) -> Iterator[str]:
    """Blocks of the page, rows as they are finished."""
    yield HEAD.format(date=time.strftime("%Y-%m-%d"))
    numbers = [number for number, row in enumerate(ROWS) if not annotators or row.annotator in annotators]
    with ThreadPoolExecutor(JOBS) as pool:
        for number, result in zip(numbers, pool.map(run_row, numbers, repeat(limit)), strict=True):
            yield f"| {head_cells(ROWS[number])} | {result} |"
    if not annotators:
        yield "\nNot compared here:\n"
        yield from (f"* `{name}`: {reason}." for name, reason in LEFT_OUT.items())


def main() -> None:
    """Print the page, row by row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--annotators", nargs="+", choices=sorted({row.annotator for row in ROWS}))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a row may take")
    parser.add_argument("--output", type=Path, help="also write the page to this file, once it is complete")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row is not None:
        print(cells(ROWS[options.row]))
        return
    lines: list[str] = []
    for line in page(options.annotators, options.limit):
        print(line, flush=True)
        lines.append(line)
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
