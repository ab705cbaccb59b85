"""Speed of switching LoRAs on a Flux-shaped transformer in bfloat16, in both of its spellings.

    python benchmarks/transformer_lora.py [--rounds 5] [--rank 16] [--blocks 1 1] [--spellings diffusers maker]

Flux.1's layers at their real widths, fewer blocks (one double and one single: 1 GB of touched weights), random. A
pass is a plain copy of the touched weights: each byte read once and written once. One thread, CPU time, medians of
interleaved rounds. Prints Markdown; benchmarks/RESULTS.md holds this output.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from bake import MODEL, write_lora
from interleave import interleave, processor, set_threads
from lora import apply, clearing, memory, turns

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.modules.architectures import ARCHITECTURES
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.modules.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MIB = 2**20


def list_layers(double: int, single: int) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Weights of the blocks' matrices by diffusers' names, and by the maker's."""
    network = ARCHITECTURES[MODEL].networks[TRANSFORMER]
    assert isinstance(network, Transformer)
    modules = network.resize(transformer_blocks=double, single_transformer_blocks=single).modules()
    apart = {f"{name}.weight": m.shape for name, m in modules.items() if "blocks." in name and len(m.shape) == 2}
    joined: dict[str, tuple[int, ...]] = {}
    for key, shape in apart.items():
        match = match_name(MODEL, key.removesuffix(".weight"))
        assert match is not None
        rows = joined.get(f"{match.original}.weight", (0,))[0]
        joined[f"{match.original}.weight"] = (rows + shape[0], *shape[1:])
    return apart, joined


def make_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Noise, bfloat16."""
    noise = torch.randn(1 << 20).mul_(0.02).bfloat16()
    made: dict[str, Tensor] = {}
    for key, shape in shapes.items():
        count = torch.Size(shape).numel()
        made[key] = noise.repeat(-(-count // noise.numel()))[:count].clone().reshape(shape)
    return made


def switch(spelling: str, blocks: tuple[int, int], rank: int, rounds: int) -> None:
    """Two LoRAs in the maker's names on a state dict in one spelling."""
    apart, joined = list_layers(*blocks)
    weights = make_weights(apart if spelling == "diffusers" else joined)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{seed}.safetensors" for seed in (0, 1)]
        for seed, path in enumerate(paths):
            torch.manual_seed(seed)
            write_lora(path, joined, rank)
        adapters = [load_adapter(path) for path in paths]
    patcher, touched = Patcher(transformer=weights), dict(weights)
    copies = {key: torch.empty_like(weight) for key, weight in touched.items()}

    def copy() -> None:
        for key, weight in touched.items():
            copies[key].copy_(weight)

    strengths = iter(range(10**6))
    runs: dict[str, Callable[[], object]] = {
        "switch": turns(lambda: apply(patcher, adapters[0]), lambda: apply(patcher, adapters[1])),
        "strength": lambda: apply(patcher, adapters[0], 0.5 + next(strengths) / 100),
        "plain copy of the touched weights": copy,
    }
    timings = {name: 1e3 * statistics.median(timing.cpu) for name, timing in interleave(runs, rounds).items()}
    size, one = sum(weight.nbytes for weight in touched.values()) / MIB, timings["plain copy of the touched weights"]
    print(f"\n**{spelling}'s spelling, rank {rank}: {len(touched)} weights, {size:.0f} MiB of bfloat16 touched**\n")
    print("| | CPU ms (median) | |\n|---|---|---|")
    for name, milliseconds in timings.items():
        print(f"| {name} | {milliseconds:.0f} | {milliseconds / one:.2f} passes |", flush=True)
    copies.clear()
    gc.collect()
    clearing(patcher, adapters[0], rounds)
    memory(patcher, adapters[0], size)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--blocks", type=int, nargs=2, default=[1, 1])
    parser.add_argument("--spellings", nargs="+", default=["diffusers", "maker"])
    arguments = parser.parse_args()
    set_threads(1)
    print(f"\n# LoRA on a transformer\n\n{processor()}; torch {torch.__version__}, 1 thread, {arguments.rounds} rounds")
    with torch.no_grad():
        for spelling in arguments.spellings:
            switch(spelling, tuple(arguments.blocks), arguments.rank, arguments.rounds)


if __name__ == "__main__":
    main()
