"""Reads files one after another under limits and tells what came of each; run by test_poison in a child process."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from underdrawing.core.errors import BadImage
from underdrawing.core.images.reading import read_pictures

MEMORY = 512 << 20


def main(folder: Path, results: Path) -> None:
    """Read every file of folder; write name, reason or notes, seconds to results/report.jsonl and arrays beside it."""
    _warm(folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    warnings.simplefilter("error")
    with (results / "report.jsonl").open("w") as report:
        for path in sorted(folder.iterdir()):
            report.write(json.dumps(_outcome(path, results)) + "\n")
            report.flush()


def _warm(folder: Path) -> None:
    for path in (folder / "16-rgb.png", folder / "float-rgb.tif", folder / "profile-swapped.png", folder / "rgb.webp"):
        if path.exists():
            read_pictures(path)


def _outcome(path: Path, results: Path) -> dict[str, object]:
    start = time.perf_counter()
    try:
        picture = read_pictures(path)[0]
    except BadImage as error:
        return {"name": path.name, "reason": str(error), "seconds": time.perf_counter() - start}
    seconds = time.perf_counter() - start
    np.save(results / f"{path.name}.npy", picture.pixels)
    if picture.alpha is not None:
        np.save(results / f"{path.name}.alpha.npy", picture.alpha)
    return {"name": path.name, "notes": picture.notes, "seconds": seconds}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
