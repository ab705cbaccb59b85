"""Rows per CPU second of data sets against a plain loop over the same annotator, and what workers and engines add.

    PYTHONPATH=.dev:. python benchmarks/dataset.py [--annotator canny] [--pictures 48] [--rounds 5] [--no-loop]

The loop opens a file with Pillow, annotates, and saves a PNG; a shard also checks the file, measures the map, records
the row, hashes and commits. Both run in this process, in turn. Engines (local,ray) run whole jobs: wall time of one
worker over that of two, without what one tiny shard for each takes, which is the start-up. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from interleave import interleave, processor, set_threads
from PIL import Image

from underdrawing.core.dataset.engines.local import LocalEngine
from underdrawing.core.dataset.engines.ray import RayEngine
from underdrawing.core.dataset.job import Job, JobAnnotator
from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.run_shard import run_shard
from underdrawing.core.dataset.shards import list_shards
from underdrawing.preprocessors import load_annotator
from underdrawing.preprocessors.batches.dataset_worker import work_on_shard

if TYPE_CHECKING:
    from underdrawing.core.dataset.job import ShardReport
    from underdrawing.core.dataset.options import Format
    from underdrawing.core.dataset.rows import Shard

PHOTOS = sorted((Path(__file__).parents[1] / "examples" / "photos").glob("*.png"))
SHARDS = 24
"""Of a job that engines run."""


class Silence:
    """Hears what engines tell."""

    def report(self, report: ShardReport) -> None:
        """Ignore it."""

    def failed(self, shard: Shard, reason: str) -> None:
        """Give up."""
        raise RuntimeError(reason)

    def note(self, text: str) -> None:
        """Ignore it."""

    def stopped(self) -> None:
        """Ignore it."""

    def tick(self) -> None:
        """Ignore it."""


def write_pictures(folder: Path, count: int, size: int) -> Path:
    """Crops of the example photographs."""
    folder.mkdir()
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in PHOTOS]
    for number in range(count):
        photo = photos[number % len(photos)]
        turned = np.roll(photo, (37 * number, 53 * number), (0, 1))[:size, :size]
        Image.fromarray(turned).save(folder / f"{number:04}.jpg", quality=92)
    return folder


def plan(source: Path, target: Path, annotator: str, kind: Format = "folder") -> Job:
    """A job of one annotator."""
    spec = load_annotator(annotator).spec
    one = JobAnnotator(name=annotator, id=spec.id, version=spec.version)
    return Job(source=str(source), destination=str(target), annotators=(one,), format=kind)


def compare_with_loop(source: Path, root: Path, name: str, rounds: int) -> None:
    """Print rows per CPU second."""
    annotator, count = load_annotator(name), len(list(source.iterdir()))

    def loop() -> None:
        shutil.rmtree(root / "loop", ignore_errors=True)
        (root / "loop").mkdir()
        for path in sorted(source.iterdir()):
            result = annotator(np.asarray(Image.open(path).convert("RGB"))[None], resolution=0)
            Image.fromarray(result.images[0]).save(root / "loop" / f"{path.stem}.png")

    def shards(kind: Format) -> None:
        job = plan(source, root / kind, name, kind)
        shutil.rmtree(root / kind, ignore_errors=True)
        every = list_shards(job.source)
        with Manifest(root / kind).hold(job, every):
            for shard in every:
                run_shard(job, shard, {name: annotator})

    timings = interleave(
        {"plain loop": loop, "shards, files": lambda: shards("folder"), "shards, tars": lambda: shards("webdataset")},
        rounds,
    )
    base = timings["plain loop"].figure(1)
    print(f"\n**{name}, {count} pictures**\n\n| | rows per CPU second | ratio |\n|---|---|---|")
    for label, timing in timings.items():
        print(f"| {label} | {count / timing.figure(1):.1f} | {base / timing.figure(1):.2f} |", flush=True)


def note_shard(job: Job, shard: Shard) -> ShardReport:
    """Work on a shard, and note rows, and when it ended, and how long this thread ran and waited for a CPU so far."""
    report = work_on_shard(job, shard)
    ran, waited = (int(word) / 1e9 for word in Path("/proc/thread-self/schedstat").read_text().split()[:2])
    with Path(f"{job.destination}.{os.getpid()}").open("a") as stream:
        stream.write(f"{report.rows} {time.monotonic()} {ran} {waited}\n")
    return report


class Speed(NamedTuple):
    """Rows per second of all workers, without waits for a CPU; the share of the rest in which they computed."""

    rows: float
    busy: float


def read_speed(root: Path) -> Speed:
    """From the notes of a job's workers, which are removed."""
    rates: list[float] = []
    shares: list[float] = []
    for path in root.glob("engine.*"):
        lines = [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
        path.unlink()
        if len(lines) > 1:
            passed, ran, waited = (lines[-1][place] - lines[0][place] for place in (1, 2, 3))
            rates.append(sum(line[0] for line in lines[1:]) / (passed - waited))
            shares.append(ran / (passed - waited))
    return Speed(sum(rates), sum(shares) / len(shares))


def run_engine(engine: Any, source: Path, root: Path, name: str, workers: int, size: int) -> float:
    """Wall seconds of a whole job."""
    job = plan(source, root / "engine", name)
    shutil.rmtree(root / "engine", ignore_errors=True)
    shards = list_shards(job.source, size=size)
    with Manifest(root / "engine").hold(job, shards):
        began = time.perf_counter()
        engine(job, shards, note_shard, workers, Silence()).run()
        return time.perf_counter() - began


def compare_engines(source: Path, tiny: Path, root: Path, name: str, engines: list[str], rounds: int) -> None:
    """Print start-up, and what a second worker gives: medians of all rounds."""
    count, kinds = len(list(source.iterdir())), {"local": LocalEngine, "ray": RayEngine}
    starts: dict[str, list[float]] = {label: [] for label in engines}
    found: dict[tuple[str, int], list[tuple[float, Speed]]] = {(one, n): [] for one in engines for n in (1, 2)}
    for _ in range(rounds):
        for label in engines:
            starts[label].append(run_engine(kinds[label], tiny, root, name, 1, 2))
            for path in root.glob("engine.*"):
                path.unlink()
            for workers in (1, 2):
                wall = run_engine(kinds[label], source, root, name, workers, max(1, count // SHARDS))
                found[label, workers].append((wall, read_speed(root)))
    print("\n| engine | start-up (s) | rows/s, 1 worker | 2 workers | ratio | busy | ratio of wall times |")
    print("|---|---|---|---|---|---|---|")
    for label in engines:
        speeds = {n: median(speed.rows for _, speed in found[label, n]) for n in (1, 2)}
        ratio = median(b.rows / a.rows for (_, a), (_, b) in zip(found[label, 1], found[label, 2], strict=True))
        walls = median(a / b for (a, _), (b, _) in zip(found[label, 1], found[label, 2], strict=True))
        busy = median(speed.busy for _, speed in found[label, 2])
        figures = (
            f"{min(starts[label]):.1f} | {speeds[1]:.1f} | {speeds[2]:.1f} | {ratio:.2f} | {busy:.2f} | {walls:.2f}"
        )
        print(f"| {label} | {figures} |", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotator", default="canny")
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default="local")
    parser.add_argument("--no-loop", action="store_true", help="only the engines")
    args = parser.parse_args()
    set_threads(1)
    print(processor())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = write_pictures(root / "in", args.pictures, args.size)
        if not args.no_loop:
            compare_with_loop(source, root, args.annotator, args.rounds)
        if engines := [one for one in args.engines.split(",") if one]:
            tiny = write_pictures(root / "tiny", 2, 64)
            compare_engines(source, tiny, root, args.annotator, engines, min(args.rounds, 3))


if __name__ == "__main__":
    main()
