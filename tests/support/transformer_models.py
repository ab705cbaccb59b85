"""Small transformers with the real names, in diffusers' spelling and their makers', and adapters for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from underdrawing.adapters.adapter import Adapter
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.modules.architectures import ARCHITECTURES, TRANSFORMER_MODELS
from underdrawing.adapters.modules.parts import TRANSFORMER
from underdrawing.adapters.modules.rows import canonical_modules, match_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from underdrawing.adapters.deltas.base import Delta
    from underdrawing.adapters.modules.layers import Module

PREFIX = f"{TRANSFORMER}."
_LEAST = 8
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def shrink(architecture: str, blocks: int = 2, divisor: int = 64) -> dict[str, Module]:
    """Modules of a model with few blocks, and numbers that keep the order and ratios of the released ones'."""
    transformer = ARCHITECTURES[architecture].transformer
    assert transformer is not None
    counted = {layer.name.partition(".#.")[0] for layer in transformer.layers if ".#." in layer.name}
    sizes = {name: number for name, number in transformer.numbers.items() if name not in counted}
    small = {name: max(_LEAST, number // divisor * 2) for name, number in sizes.items()}
    if "first" in small:
        small["first"] = 1
    return transformer.resize(**dict.fromkeys(counted, blocks), **small).modules()


def make_weights(modules: Mapping[str, Module], seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """diffusers' state dict, random."""
    generator, made = torch.Generator().manual_seed(seed), dict[str, "Tensor"]()
    for name, module in modules.items():
        made[f"{name}.weight"] = torch.randn(module.shape, generator=generator).to(dtype)
        if module.bias:
            made[f"{name}.bias"] = torch.randn(module.shape[0], generator=generator).to(dtype)
    return made


def to_original(architecture: str, weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """The same weights in the maker's spelling: joined, and with halves swapped."""
    made: dict[str, Tensor] = {}
    for key in weights:
        name, _, parameter = key.rpartition(".")
        match = match_name(architecture, name)
        assert match is not None, key
        last = match.parameter if parameter == "weight" else parameter
        if f"{prefix}{match.original}.{last}" in made:
            continue
        whole = match_name(architecture, match.original)
        assert whole is not None
        parts = [weights[f"{own.removeprefix(PREFIX)}.{parameter}"] for own in whole.canonical]
        rows = canonical_modules(architecture, match.original, _shape(weights, whole.canonical))
        joined = torch.cat(parts)
        if len(rows) == 1 and rows[0].swapped:
            joined = joined.roll(len(joined) // 2, 0)
        made[f"{prefix}{match.original}.{last}"] = joined
    return made


def _shape(weights: Mapping[str, Tensor], names: Iterable[str]) -> tuple[int, ...]:
    parts = [weights[f"{name.removeprefix(PREFIX)}.weight"].shape for name in names]
    return (sum(shape[0] for shape in parts), *parts[0][1:])


def make_adapter(architecture: str, deltas: dict[str, Delta], name: str = "style") -> Adapter:
    """An adapter as it would be read from a file. deltas: by canonical name."""
    used = {f"{module}.weight": module for module in deltas}
    metadata = dict(TRANSFORMER_MODELS[architecture].metadata)
    return Adapter(Path(f"{name}.safetensors"), deltas, {}, "test", metadata, used, {})


def make_lora(modules: Mapping[str, Module], seed: int = 1, rank: int = 2) -> dict[str, Delta]:
    """A LoRA of every linear layer, by canonical names."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{PREFIX}{name}": LowRank(
            up=torch.randn(module.shape[0], rank, generator=generator) * 0.3,
            down=torch.randn(rank, module.shape[1], generator=generator) * 0.3,
            scale=0.5,
        )
        for name, module in modules.items()
        if module.kind == "Linear"
    }


def join_lora(architecture: str, deltas: Mapping[str, Delta], modules: Mapping[str, Module]) -> dict[str, Delta]:
    """One delta of the sum of ranks for all layers that the maker joins, with the same effect."""
    made: dict[str, Delta] = {}
    for name, delta in deltas.items():
        match = match_name(architecture, name.removeprefix(PREFIX))
        assert match is not None
        whole = match_name(architecture, match.original)
        assert whole is not None
        if len(whole.canonical) == 1:
            made[name] = delta
        elif whole.module not in made:
            parts = [deltas[own] for own in whole.canonical]
            low = [part for part in parts if isinstance(part, LowRank)]
            up = torch.block_diag(*(part.up for part in low))
            made[whole.module] = LowRank(up=up, down=torch.cat([part.down for part in low]), scale=low[0].scale)
    return made


def write_attention(folder: Path, architecture: str) -> Path:
    """A LoRA file of the first block's attention alone, whose names several models have."""
    tensors: dict[str, Tensor] = {}
    for name, module in shrink(architecture).items():
        if name.startswith("transformer_blocks.0.attn") and name.endswith(_ATTENTION):
            rows, columns = module.shape
            tensors[f"{PREFIX}{name}.lora_A.weight"] = torch.ones(2, columns)
            tensors[f"{PREFIX}{name}.lora_B.weight"] = torch.ones(rows, 2)
    save_file(tensors, folder / f"{architecture}.safetensors")
    return folder / f"{architecture}.safetensors"
