"""Batch norms multiplied into the convolutions before them, found by rules on their names. Imported lazily.

Where an index in the published names tells which norm follows which convolution, `nets.folding` finds them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

NORM, COUNTER = ("weight", "bias", "running_mean", "running_var"), "num_batches_tracked"
"""What a batch norm keeps; the counter decides nothing."""


def folded(
    tensors: Mapping[str, Tensor], partners: Sequence[tuple[str, str]], eps: float, *, biased: bool = False
) -> dict[str, Tensor]:
    """Tensors in which convolution weights and biases stand for the convolution and the norm that follows it.

    partners: (pattern of a norm's name, its convolution's name), as for `re.sub`. biased: the convolutions have biases
    of their own. A norm whose name matches none, that is incomplete or that fits no convolution is handed on, so that a
    strict comparison names it.
    """
    kept = dict(tensors)
    norms = [name.removesuffix(".running_mean") for name in kept if name.endswith(".running_mean")]
    for norm in norms:
        conv = _partner(norm, partners)
        if conv is not None and _fits(kept, conv, norm, biased=biased):
            fold(kept, conv, norm, eps)
    return kept


def _partner(norm: str, partners: Sequence[tuple[str, str]]) -> str | None:
    for pattern, conv in partners:
        name, count = re.subn(pattern, conv, norm)
        if count:
            return name
    return None


def _fits(tensors: Mapping[str, Tensor], conv: str, norm: str, *, biased: bool) -> bool:
    weight, bias = tensors.get(f"{conv}.weight"), tensors.get(f"{conv}.bias")
    if weight is None or (bias is None and biased):
        return False
    parts = [tensors.get(f"{norm}.{part}") for part in NORM] + ([] if bias is None else [bias])
    return all(part is not None and part.shape == weight.shape[:1] for part in parts)


def fold(tensors: dict[str, Tensor], conv: str, norm: str, eps: float) -> None:
    """Put one convolution in the place of a convolution and its norm, as float32, worked out in float64."""
    gain, shift, mean, variance = (tensors.pop(f"{norm}.{part}").double() for part in NORM)
    tensors.pop(f"{norm}.{COUNTER}", None)
    scale, weight = gain / torch.sqrt(variance + eps), tensors[f"{conv}.weight"]
    bias = tensors.get(f"{conv}.bias", torch.zeros_like(mean)).double()
    tensors[f"{conv}.weight"] = (weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))).float()
    tensors[f"{conv}.bias"] = (shift + (bias - mean) * scale).float()
