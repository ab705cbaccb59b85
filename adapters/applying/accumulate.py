"""Weight plus changes, computed in float32 in pieces that stay in the CPU's cache, and cast once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from ...core.errors import BadWeights
from ..deltas.base import count_columns
from ..deltas.lowrank import LowRank
from .float8 import FLOAT8, check_reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..deltas.base import Delta
    from ..modules.targets import Parameter

SMALL = 1 << 16
"""Weights with fewer elements keep their change whole: that costs less than two factors."""
PIECE = 1 << 19
"""Elements of the float32 work space on a CPU, 2 MiB: less slows the matrix product, more leaves the cache."""


class ComputedChange(NamedTuple):
    """A change at strength 1, float32: up [O, r] and down [r, I*k*k], or whole in the weight's shape without down."""

    up: Tensor
    down: Tensor | None = None

    def add_to(self, total: Tensor, begin: int, end: int, strength: float) -> None:
        """Add rows begin to end, times strength, to total (contiguous, those rows)."""
        if self.down is None:
            total.add_(self.up[begin:end], alpha=strength)
        else:
            total.view(end - begin, -1).addmm_(self.up[begin:end], self.down, alpha=strength)


def compute_change(delta: Delta, base: Tensor, parameter: Parameter) -> ComputedChange:
    """A delta's change of this base in the smallest form that loses nothing; base in its own dtype."""
    if parameter == "bias":
        change = delta.bias_change(base)
        return ComputedChange(
            torch.zeros_like(base, dtype=torch.float32) if change is None else change.reshape(base.shape)
        )
    if isinstance(delta, LowRank) and base.numel() >= SMALL and delta.fits_whole(base.shape):
        up, down = delta.factors()
        return ComputedChange(up.to(base.device), down.to(base.device))
    return ComputedChange(delta.change(base.to(torch.float32)).reshape(base.shape))


class Workspace:
    """A buffer that is reused from one weight to the next."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None

    def take(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """An uninitialised float32 tensor of that shape, contiguous; valid until the next call."""
        count = math.prod(shape)
        if self._buffer is None or self._buffer.numel() < count or self._buffer.device != device:
            self._buffer = torch.empty(max(count, PIECE), device=device)
        return self._buffer[:count].view(*shape)


def write_sum(into: Tensor, base: Tensor, changes: Sequence[tuple[ComputedChange, float]], space: Workspace) -> None:
    """into = base + sum of strength * change, in float32 with one cast; into and base have one shape, any strides.

    Raises BadWeights when a result is NaN or more than into's dtype holds.
    """
    direct = into.dtype == torch.float32 and into.is_contiguous()
    rows, width = base.shape[0], max(1, count_columns(base.shape))
    pieces = 1 if base.device.type != "cpu" else min(rows, -(-rows * width // PIECE))
    step = max(1, -(-rows // max(1, pieces)))
    for begin in range(0, rows, step):
        source, target = base[begin : begin + step], into[begin : begin + step]
        total = target if direct else space.take(source.shape, base.device)
        total.copy_(source)
        for change, strength in changes:
            change.add_to(total, begin, begin + len(source), strength)
        if not direct:
            target.copy_(total)
        _check_range(total, target, source)


def write_sequential(into: Tensor, base: Tensor, changes: Sequence[tuple[Delta, float]]) -> None:
    """As write_sum, but every change sees the weight that the one before left."""
    value = base.to(torch.float32).clone()
    for delta, strength in changes:
        delta.add_to(value, value.clone() if delta.uses_base else value, strength)
    into.copy_(value)
    _check_range(value, into, base)


def _check_range(total: Tensor, written: Tensor, base: Tensor) -> None:
    """Raise BadWeights when what was written is no finite number; total is what it was cast from."""
    if not total.numel():
        return
    if written.dtype in FLOAT8 and bool(torch.isfinite(base.to(torch.float32)).all()):
        check_reach(total, written.dtype)
    low, high = torch.aminmax(total)
    if float(torch.maximum(-low, high)) <= torch.finfo(written.dtype).max or bool(
        torch.isfinite(written.to(torch.float32)).all()
    ):
        return
    if not bool(torch.isfinite(base.to(torch.float32)).all()):
        raise BadWeights("is NaN or infinite in the model itself", fix="use an undamaged model")
    name = str(written.dtype).removeprefix("torch.")
    raise BadWeights(f"would be NaN or infinite in {name}", fix="use lower strengths")
