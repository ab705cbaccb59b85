"""Whether memory stays flat while a data set runs: tiny pictures in 200 tars, one in a hundred damaged.

    PYTHONPATH=.dev:. python benchmarks/dataset_memory.py [--engine local] [--rows 100000]

Prints the memory of all processes together that no other shares, as the median of each fifth of the run, and what was
refused. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.support.datasets import CUT_OFF, encode, write_tar
from tests.support.process_tree import run_and_watch

MANY = 200
"""Shards."""


def write_many(folder: Path, rows: int) -> Path:
    """Tiny pictures in 200 tars; every hundredth is cut off."""
    folder.mkdir()
    pictures = [encode(number) for number in range(100)]
    for shard in range(MANY):
        members = {
            f"{n:06}.png": CUT_OFF if (place + shard) % 100 == 57 else pictures[n % 100]
            for place, n in enumerate(range(shard, rows, MANY))
        }
        write_tar(folder / f"s{shard:03}.tar", members)
    return folder


def watch_memory(engine: str, rows: int) -> None:
    """Print the memory of a long run of two workers, and what it refused."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = write_many(Path(folder) / "in", rows), Path(folder) / "out"
        command = [sys.executable, "-m", "underdrawing", "dataset", "annotate", str(source), "--out", str(target)]
        given = ["--annotators", "canny", "--format", "webdataset", "--engine", engine, "--workers", "2"]
        usage = run_and_watch([*command, *given], {**os.environ, "OMP_NUM_THREADS": "1"}, interval=0.5)
    if usage.code:
        raise SystemExit(usage.output[-3000:])
    end = usage.memory[-1][0]
    parts = [[size for at, size in usage.memory if part <= at / end * 5 <= part + 1] for part in range(5)]
    print(f"{engine}: {rows} rows in {MANY} shards, {usage.wall:.0f} s, {usage.cpu:.0f} s of CPU")
    print(f"MiB by fifths: {', '.join(f'{median(part) / 2**20:.0f}' for part in parts if part)}")
    print(*[line for line in usage.output.splitlines() if " rows" in line or "refused" in line][-3:], sep="\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    watch_memory(given.engine, given.rows)


if __name__ == "__main__":
    main()
