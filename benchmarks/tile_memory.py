"""Peak memory of maps of large pictures: in tiles, and in one piece.

    PYTHONPATH=.dev:. python benchmarks/tile_memory.py [--annotators canny hed mlsd] [--sizes 2000x1500 8000x6000]
                                                       [--whole 2000x1500] [--tile 512]

Every figure is of a process of its own: its highest resident set while the map is made, above that after a map of one
tile, when libraries, the network and its work space are there, and the picture itself. Prints Markdown.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

PHOTO = "examples/photos/astronaut.png"


def measure(name: str, width: int, height: int, tile: int) -> None:
    """Print the bytes that a map takes above the picture, and seconds."""
    import cv2
    import numpy as np

    from underdrawing.preprocessors import load_annotator

    photo = cv2.imread(PHOTO)
    assert photo is not None
    photo = np.ascontiguousarray(photo[..., ::-1])
    annotator = load_annotator(name, tile=tile)
    side = tile or 512
    annotator(cv2.resize(photo, (side, side))[None].astype(np.uint8), resolution=0)
    rows, columns = -(-height // photo.shape[0]), -(-width // photo.shape[1])
    picture = np.empty((1, height, width, 3), np.uint8)
    for row in range(rows):
        part = np.tile(photo, (1, columns, 1))[: height - row * photo.shape[0], :width]
        picture[0, row * photo.shape[0] : row * photo.shape[0] + len(part)] = part
    before, begin = _read_peak(), time.perf_counter()
    result = annotator(picture, resolution=0)
    seconds = time.perf_counter() - begin
    assert result.images.shape == picture.shape
    values = 0 if result.values is None else result.values.nbytes
    print(_read_peak() - before, result.images.nbytes + values, seconds)


def _read_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def report(name: str, size: str, tile: int) -> str:
    """A row of the table."""
    command = [sys.executable, __file__, "--one", name, size, str(tile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    how = f"tiles of {tile}" if tile else "in one piece"
    if done.returncode:
        return f"| `{name}` | {size} | {how} | failed ({(done.stderr.strip().splitlines() or ['killed'])[-1]}) | | | |"
    peak, own, seconds = (float(part) for part in done.stdout.split())
    width, height = map(int, size.split("x"))
    pixels = width * height
    cells = (f"{peak / 2**20:.0f}", f"{peak / pixels:.1f}", f"{own / pixels:.0f}", f"{seconds:.0f}")
    return f"| `{name}` | {size} | {how} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--annotators", nargs="+", default=["canny", "hed", "mlsd"])
    parser.add_argument("--sizes", nargs="*", default=["2000x1500", "4000x3000", "8000x6000"])
    parser.add_argument("--whole", nargs="*", default=["2000x1500"], help="sizes that are measured in one piece, too")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--one", nargs=3)
    arguments = parser.parse_args()
    if arguments.one:
        name, size, tile = arguments.one
        width, height = size.split("x")
        measure(name, int(width), int(height), int(tile))
        return
    print("| annotator | picture | how | peak MiB | bytes a pixel | of which the map | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.annotators:
        for size in arguments.sizes:
            print(report(name, size, arguments.tile), flush=True)
        for size in arguments.whole:
            print(report(name, size, 0), flush=True)


if __name__ == "__main__":
    main()
