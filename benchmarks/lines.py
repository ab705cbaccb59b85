"""Speed of the networks of M-LSD and PiDiNet, and of M-LSD's decoding, against controlnet-aux's own code.

    PYTHONPATH=.dev:. python benchmarks/lines.py [--rounds 5] [--sizes 512 1024] [--threads 1 2]

One thread: medians of the process's CPU time. All threads: shortest wall time. Everything in one process, interleaved.
Prints Markdown. Without controlnet-aux only our own figures are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import torch
from hed import picture, placements
from interleave import Timing, all_threads, interleave, load, matmul_peak, processor, set_threads, table
from peers import peer, peer_lines
from tests.golden.lines import synthetic
from tests.support.random_weights import tensors
from torch.utils.flop_counter import FlopCounterMode

from underdrawing.core.networks.cache import load_network, unload
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors.maps import mlsd_lines
from underdrawing.preprocessors.nets import mlsd, pidinet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from underdrawing.core.networks.placement import Placement

    Candidates = dict[str, Callable[[], Any]]

THEIRS = "controlnet-aux, eager float32"


class Part(NamedTuple):
    """One network: the peer's detector, its own network, and ours at a place."""

    title: str
    detector: Callable[[], Any]
    alone: Callable[[Any, torch.Tensor], Any]
    ours: Callable[[Placement], Any]


def prepared(folder: Path) -> dict[str, Part]:
    """Save random weights in the official form and let our networks find them."""
    os.environ |= {"UNDERDRAWING_WEIGHTS": str(folder), "UNDERDRAWING_CACHE": str(folder / "cache")}
    mlsd.WEIGHTS["large"] = _saved(
        folder / "mlsd.pth", tensors(mlsd.official_shapes("large"), gain=peer_lines.GAIN["large"])
    )
    table = tensors(pidinet.official_shapes(), gain=peer_lines.GAIN["pidinet"])
    wrapped = {"state_dict": {f"module.{name}": value for name, value in table.items()}}
    pidinet.WEIGHT = _saved(folder / "pidinet.pth", wrapped)
    return {
        "mlsd": Part("M-LSD large", peer_lines.mlsd_detector, _mlsd_alone, _our_mlsd),
        "pidinet": Part("PiDiNet", peer_lines.pidinet, _pidinet_alone, _our_pidinet),
    }


def _saved(path: Path, content: Any) -> Weight:
    torch.save(content, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="random/weights", file=path.name, sha256=digest, size=len(data), licence="", commercial=True)


def _our_mlsd(placement: Placement) -> Any:
    weight = mlsd.WEIGHTS["large"]
    return load_network(weight, mlsd.build_large, placement, mlsd.make_converter("large", weight.id))


def _our_pidinet(placement: Placement) -> Any:
    return load_network(pidinet.WEIGHT, pidinet.build, placement, pidinet.convert)


def _mlsd_alone(detector: Any, x: torch.Tensor) -> Any:
    with torch.no_grad():
        return detector.model(torch.cat((x, torch.ones_like(x[:, :1])), dim=1) / 127.5 - 1)


def _pidinet_alone(detector: Any, x: torch.Tensor) -> Any:
    with torch.no_grad():
        return detector.netNetwork(x.flip(1) / 255)[-1]


class Bench:
    """The candidates of one number of threads."""

    def __init__(self, threads: int, rounds: int) -> None:
        self.threads, self.rounds = threads, rounds
        set_threads(threads)
        unload()  # OpenVINO fixes its threads when it compiles
        self.has_peer = find_spec(peer.PACKAGE) is not None
        formats = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        peaks = {name: matmul_peak(dtype, threads) for name, dtype in formats.items()}
        told = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items())
        print(f"\n## {threads} thread{'s' * (threads > 1)}\n\ntorch.mm, best of 2048 x 2048: {told} GFLOP/s")

    def network(self, part: Part, side: int) -> None:
        """Compare the networks alone."""
        x = torch.from_numpy(picture(side)).permute(2, 0, 1)[None].float()
        runs: Candidates = {}
        if self.has_peer:
            detector = part.detector()
            runs[THEIRS] = lambda: part.alone(detector, x)
        for name, placement in placements().items():
            net = part.ours(placement)
            runs[f"ours, {name}"] = lambda net=net: net(x)
        with FlopCounterMode(display=False) as counter:
            next(iter(runs.values()))()
        work = counter.get_total_flops() / 1e9
        timings = interleave(runs, self.rounds)
        rates = {name: f"{work / timing.figure(self.threads):.0f} GFLOP/s" for name, timing in timings.items()}
        self.table(f"{part.title} network, {side} x {side} ({work:.0f} GFLOP)", timings, rates)

    def decoding(self, side: int, lines: int) -> None:
        """Compare all of M-LSD but its network: the input's preparation, decoding 200 lines, drawing them."""
        image = picture(side)
        output = synthetic.output(lines, side // 2, side // 2)
        tensor = torch.from_numpy(output[None, :5])

        def ours() -> Any:
            found = [
                mlsd_lines.decode_segments(tensor, 0.1, 0.1)
                for _ in mlsd.iter_chunks(image[None], next(iter(placements().values())))
            ]
            return mlsd_lines.render_segments(found[0], mlsd.Size(side, side))[0]

        runs: Candidates = {}
        if self.has_peer:
            detector = peer_lines.fixed_detector(output)
            settings = {"detect_resolution": side, "image_resolution": side, "output_type": "np"}
            runs["controlnet-aux"] = lambda: detector(image, **settings)
        runs["ours"] = ours
        notes = {}
        if self.has_peer:
            notes = {"ours": f"{(ours() != runs['controlnet-aux']()).sum()} pixels differ"}
        self.table(
            f"M-LSD without its network, {lines} lines, {side} x {side}", interleave(runs, 4 * self.rounds), notes
        )

    def table(self, title: str, timings: Mapping[str, Timing], notes: Mapping[str, str] | None = None) -> None:
        """Print figures and ratios to the first row."""
        table(title, timings, self.threads, notes)


def main() -> None:
    """Measure one thread and all threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, all_threads()])
    parser.add_argument("--networks", nargs="+", default=["mlsd", "pidinet"])
    arguments = parser.parse_args()
    print(f"# Lines\n\n{processor()}; torch {torch.__version__}, OpenCV {cv2.__version__}, {arguments.rounds} rounds")
    print(load())
    if find_spec(peer.PACKAGE) is None:
        print(f"\n{peer.HINT}")
    with tempfile.TemporaryDirectory() as folder:
        parts = prepared(Path(folder))
        for threads in dict.fromkeys(arguments.threads):
            bench = Bench(threads, arguments.rounds)
            for side in arguments.sizes:
                if "mlsd" in arguments.networks:
                    bench.decoding(side, 200)
                for part in (parts[name] for name in arguments.networks):
                    bench.network(part, side)


if __name__ == "__main__":
    main()
