"""Speed of HED and its scribble against controlnet-aux's own code on the same weights, and cost of imports.

    python benchmarks/hed.py [--rounds 5] [--sizes 512 1024] [--threads 1 2]

One thread: medians of the process's CPU time. All threads: shortest wall time. Everything in one process, interleaved.
Prints Markdown; benchmarks/RESULTS.md is this output. Without controlnet-aux only our own figures are printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from interleave import Timing, all_threads, interleave, load, matmul_peak, processor, set_threads, table
from peers import peer, peer_hed

from underdrawing.core.networks.cache import load_network, unload
from underdrawing.core.networks.placement import Placement, find_cpu_bf16_unit
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.maps import edges
from underdrawing.preprocessors.nets import hed
from underdrawing.preprocessors.weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Candidates = dict[str, Callable[[], object]]

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "examples" / "photos" / "astronaut.png"
BUNDLED = ROOT / "preprocessors" / "bundled" / WEIGHTS["bsds500"].bundled
THEIRS = "controlnet-aux, eager float32"
CONVOLUTIONS = {1: (3 * 64 + 64 * 64), 2: (64 * 128 + 128 * 128), 4: (128 * 256 + 2 * 256 * 256),
                8: (256 * 512 + 2 * 512 * 512), 16: 3 * 512 * 512}  # fmt: skip
"""Downscaling of a block -> products of channels in and out of its 3x3 convolutions."""


def gflop(side: int) -> float:
    """Work of HED's 3x3 convolutions on a square picture, 2 per multiply-add."""
    return sum(2 * 9 * channels * (side / scale) ** 2 for scale, channels in CONVOLUTIONS.items()) / 1e9


def placements() -> dict[str, Placement]:
    """Every way our network runs on this machine's processor."""
    ways = {"torch float32": Placement()}
    short = "bfloat16" if find_cpu_bf16_unit() else ""
    if short:
        ways["torch bfloat16"] = Placement(dtype="bfloat16")
    if find_spec("openvino") is not None:
        ways["OpenVINO float32"] = Placement(backend="openvino")
        if short:
            ways["OpenVINO bfloat16"] = Placement(dtype="bfloat16", backend="openvino")
    return ways


class Bench:
    """The candidates of one number of threads."""

    def __init__(self, threads: int, rounds: int) -> None:
        self.threads, self.rounds = threads, rounds
        set_threads(threads)
        unload()  # OpenVINO fixes its threads when it compiles
        formats = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        self.peaks = {name: matmul_peak(dtype, threads) for name, dtype in formats.items()}
        self.peer: tuple[Any, Any] | None = None
        if find_spec(peer.PACKAGE) is not None:
            self.peer = peer_hed.load(BUNDLED)

    def header(self) -> None:
        """Name the threads and the processor's peak."""
        peaks = ", ".join(f"{name} {peak:.0f}" for name, peak in self.peaks.items())
        print(f"\n## {self.threads} thread{'s' * (self.threads > 1)}\n\ntorch.mm, best of 2048 x 2048: {peaks} GFLOP/s")

    def network(self, side: int) -> None:
        """Compare the networks alone."""
        x = torch.from_numpy(picture(side)).permute(2, 0, 1)[None].float()
        runs: Candidates = {}
        if self.peer:
            runs[THEIRS] = lambda: peer_hed.sides(self.peer[0], x) if self.peer else None
        for name, placement in placements().items():
            net = load_network(WEIGHTS["bsds500"], hed.build, placement)
            runs[f"ours, {name}"] = lambda net=net: net(x)
        timings = interleave(runs, self.rounds)
        rate = {name: gflop(side) / timing.figure(self.threads) for name, timing in timings.items()}
        best = {name: "bfloat16" if name.endswith("bfloat16") else "float32" for name in runs}
        peaks = {
            name: f"{rate[name]:.0f} GFLOP/s, {rate[name] / self.peaks[best[name]]:.0%} of torch.mm" for name in runs
        }
        self.table(f"HED network, {side} x {side} ({gflop(side):.0f} GFLOP)", timings, peaks)

    def whole(self, side: int) -> None:
        """Compare whole calls, from the picture to the 8-bit map."""
        image = picture(side)
        for name, options in (("hed", {}), ("scribble_hed", {"scribble": True})):
            runs: Candidates = {}
            if self.peer:
                settings = {"detect_resolution": side, "image_resolution": side, "output_type": "np", **options}
                runs[THEIRS] = lambda settings=settings: self.peer[0](image, **settings) if self.peer else None
            annotator = registry.resolve(name).annotator
            for way, placement in placements().items():
                made = annotator.create(annotator.params(), dtype=placement.dtype, backend=placement.backend)
                runs[f"ours, {way}"] = lambda made=made: made(image[None], resolution=side)
            self.table(f"whole annotator {name}, {side} x {side}", interleave(runs, self.rounds))

    def scribble(self, side: int) -> None:
        """Compare what turns the 8-bit edge map into the three equal channels of strokes."""
        map_ = edges.to_bytes(hed.predict_edges(picture(side)[None], "bsds500", Placement()))[0]
        three = np.repeat(map_[..., None], 3, axis=-1)
        runs: Candidates = {}
        if self.peer:
            helpers = self.peer[1]
            runs["controlnet-aux"] = lambda: peer_scribble(helpers, three)
            if not np.array_equal(peer_scribble(helpers, three), edges.to_rgb(edges.draw_scribble(map_)[None])[0]):
                raise SystemExit("the scribbles differ")
        runs["ours"] = lambda: edges.to_rgb(edges.draw_scribble(map_)[None])
        equal = {"ours": "equal to the last pixel"} if self.peer else {}
        self.table(f"scribble post-processing, {side} x {side}", interleave(runs, 4 * self.rounds), equal)

    def batch(self, side: int, count: int = 8) -> None:
        """Compare one call for a batch with one call per picture."""
        images = np.stack([picture(side)] * count)
        annotator = registry.resolve("hed").annotator
        made = annotator.create(annotator.params())
        runs: Candidates = {
            f"{count} calls of 1": lambda: [made(images[i : i + 1], resolution=side) for i in range(count)],
            f"1 call of {count}": lambda: made(images, resolution=side),
        }
        self.table(f"batch, hed as by default ({made.placement}), {side} x {side}", interleave(runs, self.rounds))

    def table(self, title: str, timings: Mapping[str, Timing], notes: Mapping[str, str] | None = None) -> None:
        """Print figures and ratios to the first row."""
        table(title, timings, self.threads, notes)


def picture(side: int) -> NDArray[np.uint8]:
    """The bundled photograph, RGB [side, side, 3]."""
    read = cv2.imread(str(PHOTO), cv2.IMREAD_COLOR)
    if read is None:
        raise SystemExit(f"{PHOTO} is missing")
    return np.ascontiguousarray(cv2.resize(read, (side, side), interpolation=cv2.INTER_CUBIC)[..., ::-1], np.uint8)


def peer_scribble(helpers: Any, edge_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Call the peer's suppression and finish as its detector does."""
    strokes = cv2.GaussianBlur(helpers.nms(edge_map, 127, 3.0), (0, 0), 3.0)
    strokes[strokes > 4] = 255
    strokes[strokes < 255] = 0
    return strokes


IMPORTS = {
    "python alone": "pass",
    "numpy and cv2": "import numpy, cv2",
    "torch": "import torch",
    "import underdrawing": "import underdrawing",
    "underdrawing, all annotators with parameters": (
        "from underdrawing.preprocessors import registry; [a.fields() for a in registry]"
    ),
    "underdrawing, hed ready to run": (
        "from underdrawing.preprocessors import registry; a = registry.resolve('hed').annotator; a.ready(a.params())"
    ),
    "controlnet_aux": "import controlnet_aux",
}
MEASURE = """
import sys, time
sys.path.insert(0, {path!r})
start = time.process_time()
{code}
print(time.process_time() - start, len(sys.modules))
"""


def imports(rounds: int) -> None:
    """Print the CPU time of imports, each in processes of its own, interleaved."""
    path = next(str(Path(entry).resolve()) for entry in sys.path if (Path(entry) / "underdrawing").exists())
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in IMPORTS}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            command = [sys.executable, "-c", MEASURE.format(path=path, code=code)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                failed[name] = (done.stderr.strip().splitlines() or ["?"])[-1]
                continue
            seconds, modules = done.stdout.split()[-2:]
            seen[name].append((float(seconds), int(modules)))
    print("\n## Imports\n\n| | CPU ms (median) | modules |\n|---|---|---|")
    for name, values in seen.items():
        if name in failed:
            print(f"| {name} | fails: {failed[name]} | |")
        else:
            print(f"| {name} | {1e3 * float(np.median([v[0] for v in values])):.0f} | {values[-1][1]} |")


def main() -> None:
    """Measure one thread and all threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, all_threads()])
    arguments = parser.parse_args()
    print(
        f"# Annotators\n\n{processor()}; torch {torch.__version__}, OpenCV {cv2.__version__}, {arguments.rounds} rounds"
    )
    print(load())
    if find_spec(peer.PACKAGE) is None:
        print(f"\n{peer.HINT}")
    for threads in dict.fromkeys(arguments.threads):
        bench = Bench(threads, arguments.rounds)
        bench.header()
        for side in arguments.sizes:
            bench.network(side)
            bench.scribble(side)
        bench.whole(min(arguments.sizes))
        bench.batch(min(arguments.sizes))
    imports(arguments.rounds)


if __name__ == "__main__":
    main()
