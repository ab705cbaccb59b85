"""Numbers of eight bits, and whether values are within what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor

FLOAT8 = frozenset(
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
    if hasattr(torch, name)
)


def check_reach(value: Tensor, dtype: torch.dtype) -> None:
    """Raise BadWeights for values that eight bits do not hold: torch cuts some of them to the largest number."""
    info, name = torch.finfo(dtype), str(dtype).removeprefix("torch.")
    if value.numel() and not float(value.abs().max()) <= info.max * (1 + info.eps / 4):
        what = f"would be NaN, infinite or more than {info.max:g}, the most that {name} holds"
        raise BadWeights(what, fix="use lower strengths")
