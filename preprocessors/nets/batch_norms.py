"""Batch norms multiplied into the convolutions before them by rules on their names. Imported lazily (needs torch).

For networks whose published names do not tell by an index which norm follows which convolution (`nets.folding`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

NORM = ("weight", "bias", "running_mean", "running_var")
"""What a batch norm keeps; its counter num_batches_tracked decides nothing."""


def renamed(tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Tensors under new names: each rule (beginning, replacement) is tried in turn and may follow on another."""
    return {_replaced(name, rules): tensor for name, tensor in tensors.items()}


def without_prefix(tensors: Mapping[str, Tensor], prefix: str = "module.") -> dict[str, Tensor]:
    """Tensors without a beginning that all names have (torch's DataParallel puts "module." before them)."""
    if not all(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def folded(tensors: Mapping[str, Tensor], partners: Sequence[tuple[str, str]], eps: float) -> dict[str, Tensor]:
    """Tensors in which convolution weights and biases stand for the convolution and the norm that follows it.

    partners: (pattern of a norm's name, its convolution's name), as for `re.sub`. A norm whose name matches none, that
    is incomplete or that fits no convolution is handed on, so that a strict comparison names it.
    """
    kept = dict(tensors)
    norms = [name.removesuffix(".running_mean") for name in kept if name.endswith(".running_mean")]
    for norm in norms:
        conv = _partner(norm, partners)
        if conv is not None:
            _fold(kept, conv, norm, eps)
    return kept


def _replaced(name: str, rules: Sequence[tuple[str, str]]) -> str:
    for beginning, replacement in rules:
        if name.startswith(beginning):
            name = replacement + name[len(beginning) :]
    return name


def _partner(norm: str, partners: Sequence[tuple[str, str]]) -> str | None:
    for pattern, conv in partners:
        name, count = re.subn(pattern, conv, norm)
        if count:
            return name
    return None


def _fold(tensors: dict[str, Tensor], conv: str, norm: str, eps: float) -> None:
    """Replace both in place; factors and offsets in float64, so that they are rounded once."""
    weight, names = tensors.get(f"{conv}.weight"), [f"{norm}.{part}" for part in NORM]
    if weight is None or any(name not in tensors or tensors[name].shape != weight.shape[:1] for name in names):
        return
    bias = tensors.get(f"{conv}.bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        return
    gain, shift, mean, variance = (tensors.pop(name).double() for name in names)
    tensors.pop(f"{norm}.num_batches_tracked", None)
    scale = gain / torch.sqrt(variance + eps)
    before = torch.zeros_like(mean) if bias is None else bias.double()
    tensors[f"{conv}.weight"] = weight.float() * scale.float().reshape(-1, *[1] * (weight.ndim - 1))
    tensors[f"{conv}.bias"] = (shift + (before - mean) * scale).float()
