"""Tensors of a module that its delta did not take: harmless ones, and those that would have changed the result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .suffixes import ALIASES

if TYPE_CHECKING:
    from torch import Tensor

    from .base import Delta

_FACTORS = ("scale", "scalar")
"""Factors of A1111 and of early LyCORIS: 1 changes nothing."""
RESHAPE = "reshape_weight"
"""ComfyUI's note of the shape to which zeros widen a weight before the change is added."""


def explain_harmless(delta: Delta) -> str:
    """Why a harmless tensor is not used."""
    return f"has no part in a module of type {delta.algorithm}"


def find_leftover_fault(suffix: str, tensor: Tensor, delta: Delta) -> str | None:
    """Why a tensor beside a delta that did not take it makes the module wrong; None for one that changes nothing.

    Alpha is harmless: types that are scaled by it take it. Whatever is not known refuses the module.
    """
    if suffix == "alpha":
        return None
    if suffix == RESHAPE:
        return _find_reshape_fault(tensor, delta)
    if suffix in _FACTORS and _is_one(tensor):
        return None
    if suffix in (*ALIASES["up"], *ALIASES["down"]):
        return f"{suffix} is there beside factors under other names: perhaps two adapters in one file; save one alone"
    return f"{suffix[:60]} is not known beside a module of type {delta.algorithm}, so its result would be wrong"


def _find_reshape_fault(tensor: Tensor, delta: Delta) -> str | None:
    """Why the shape that ComfyUI notes for a widened weight is not that of the factors, which show it themselves."""
    extent = delta.extent
    shape = [] if tensor.is_complex() or tensor.device.type == "meta" else [float(n) for n in tensor.reshape(-1)[:8]]
    if extent is not None and len(shape) > 1 and (shape[0], math.prod(shape[1:])) == (extent.rows, extent.cols):
        return None
    return f"{RESHAPE} says {shape}, and its factors are for another weight"


def _is_one(tensor: Tensor) -> bool:
    if tensor.numel() != 1 or tensor.is_complex() or tensor.device.type == "meta":
        return False
    return float(tensor.detach().to(torch.float64).reshape(()).item()) == 1.0
