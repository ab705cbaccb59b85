"""Speed of the networks of Depth Anything v2 small and MiDaS against transformers on the same random weights.

    python benchmarks/depth.py [--rounds 5] [--threads 1 2]

One thread: medians of the process's CPU time. All threads: shortest wall time. Everything in one process, interleaved.
Prints Markdown. Whole annotators: benchmarks/whole.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from hed import placements
from interleave import Timing, all_threads, interleave, load, processor, set_threads, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import peer_depth

from underdrawing.core.networks import cache
from underdrawing.preprocessors.nets import depth_anything, dpt_hybrid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from underdrawing.core.networks.placement import Placement

    Candidates = dict[str, Callable[[], object]]

THEIRS = "transformers, eager float32"


def build_depth_anything(tensors: dict[str, torch.Tensor]) -> nn.Module:
    """Depth Anything v2 small with these tensors in it."""
    module = depth_anything.Builder(2, "small")({})
    module.load_state_dict(depth_anything.convert(tensors))
    return module


RECIPES: dict[str, Callable[[dict[str, torch.Tensor]], nn.Module]] = {
    "depth_dav2": build_depth_anything,
    "depth_midas": lambda tensors: dpt_hybrid.RECIPES["original"](tensors, {}, "random"),
}


class Bench:
    """The candidates of one number of threads."""

    def __init__(self, threads: int, rounds: int) -> None:
        self.threads, self.rounds = threads, rounds
        set_threads(threads)
        cache.unload()  # OpenVINO fixes its threads when it compiles
        self.tensors = {name: peer_depth.weights(name) for name in RECIPES}
        self.peers: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "depth_dav2": peer_depth.depth_anything_module(self.tensors["depth_dav2"]),
            "depth_midas": peer_depth.dpt_module(self.tensors["depth_midas"]),
        }
        print(f"\n## {threads} thread{'s' * (threads > 1)}")

    def ours(self, name: str, placement: Placement) -> cache.Network:
        """Our network on these weights."""
        module = RECIPES[name](self.tensors[name])
        return cache._wrap(cache._prepare(module, placement), placement)

    def network(self, name: str, side: int) -> None:
        """Compare the networks alone."""
        x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        runs: Candidates = {THEIRS: lambda: self.peers[name](x)}
        expected, notes = self.peers[name](x), {}
        for way, placement in placements().items():
            net = self.ours(name, placement)
            runs[f"ours, {way}"] = lambda net=net: net(x)
            notes[f"ours, {way}"] = _difference(net(x), expected)
        self.table(f"network of {name}, {side} x {side}", interleave(runs, self.rounds), notes)

    def table(self, title: str, timings: Mapping[str, Timing], notes: Mapping[str, str]) -> None:
        """Print figures and ratios to the first row."""
        table(title, timings, self.threads, notes)


def _difference(found: torch.Tensor, expected: torch.Tensor) -> str:
    away = (found.float() - expected).abs() / (expected.max() - expected.min())
    return f"mean difference {float(away.mean()):.1e} of the span, largest {float(away.max()):.1e}"


def main() -> None:
    """Measure one thread and all threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", help="these networks have sizes of their own")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, all_threads()])
    arguments = parser.parse_args()
    print(f"# Depth\n\n{processor()}; torch {torch.__version__}, {arguments.rounds} rounds\n{load()}")
    for threads in dict.fromkeys(arguments.threads):
        bench = Bench(threads, arguments.rounds)
        bench.network("depth_dav2", 518)
        bench.network("depth_midas", 384)


if __name__ == "__main__":
    main()
