"""Tensors of a module that its delta did not take: harmless ones, and those that would have changed the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .suffixes import ALIASES

if TYPE_CHECKING:
    from torch import Tensor

    from .base import Delta

_FACTORS = ("scale", "scalar")
"""Factors of A1111 and of early LyCORIS: 1 changes nothing."""


def explain_harmless(delta: Delta) -> str:
    """Why a harmless tensor is not used."""
    return f"has no part in a module of type {delta.algorithm}"


def find_leftover_fault(suffix: str, tensor: Tensor, delta: Delta) -> str | None:
    """Why a tensor beside a delta that did not take it makes the module wrong; None for one that changes nothing.

    Alpha is harmless: types that are scaled by it take it. Whatever is not known refuses the module.
    """
    if suffix == "alpha":
        return None
    if suffix in _FACTORS and _is_one(tensor):
        return None
    if suffix in (*ALIASES["up"], *ALIASES["down"]):
        return f"{suffix} is there beside factors under other names: perhaps two adapters in one file; save one alone"
    return f"{suffix[:60]} is not known beside a module of type {delta.algorithm}, so its result would be wrong"


def _is_one(tensor: Tensor) -> bool:
    if tensor.numel() != 1 or tensor.is_complex() or tensor.device.type == "meta":
        return False
    return float(tensor.detach().to(torch.float64).reshape(()).item()) == 1.0
