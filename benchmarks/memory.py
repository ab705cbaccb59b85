"""Memory of annotating many pictures of mixed size in one process: resident set at start, on the way and at the end.

    python benchmarks/memory.py [--pictures 1000] [--annotators canny hed] [--low 64] [--high 256]
                                [--backend torch]

Needs psutil. The start is taken after 20 pictures, when libraries, networks and their work space are there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import psutil  # pyright: ignore[reportMissingModuleSource]
from interleave import all_threads, processor, set_threads

from underdrawing.preprocessors import registry

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
WARM = 20


def resident() -> float:
    """Resident set of this process in MiB."""
    return psutil.Process().memory_info().rss / 2**20


def main() -> None:
    """Annotate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--annotators", nargs="+", default=["canny", "hed"])
    parser.add_argument("--low", type=int, default=64, help="smallest side")
    parser.add_argument("--high", type=int, default=256, help="largest side")
    parser.add_argument("--backend", choices=["torch", "openvino"], default="torch")
    arguments = parser.parse_args()
    set_threads(all_threads())
    print(f"\n# Memory\n\n{processor()}\n")
    read = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in sorted(PHOTOS.glob("*.png"))]
    photos = [photo for photo in read if photo is not None]
    chosen = [registry.resolve(name).annotator for name in arguments.annotators]
    made = [annotator.create(annotator.params(), backend=arguments.backend) for annotator in chosen]
    random = np.random.default_rng(0)
    marks: dict[int, float] = {}
    begin = time.perf_counter()
    peak = 0.0
    for index in range(1, arguments.pictures + 1):
        height, width = (int(side) for side in random.integers(arguments.low, arguments.high + 1, 2))
        photo = photos[index % len(photos)]
        image = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)[None, ..., ::-1].astype(np.uint8)
        for annotator in made:
            annotator(image, resolution=0)
        if index == WARM or index % max(1, arguments.pictures // 10) == 0:
            marks[index] = resident()
        peak = max(peak, resident())
    seconds = time.perf_counter() - begin
    names, size = ", ".join(arguments.annotators), f"{arguments.low} to {arguments.high}"
    print(f"{arguments.pictures} pictures, sides {size}, {names} ({made[-1].placement}), {seconds:.0f} s\n")
    print("| pictures | resident MiB |\n|---|---|")
    for index, mark in marks.items():
        print(f"| {index} | {mark:.0f} |")
    start, end = marks.get(WARM, next(iter(marks.values()))), list(marks.values())[-1]
    print(f"\nstart {start:.0f} MiB, end {end:.0f} MiB (difference {end - start:+.0f}), highest seen {peak:.0f} MiB")


if __name__ == "__main__":
    main()
