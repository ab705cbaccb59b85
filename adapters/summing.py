"""Weight plus changes, computed in float32 in pieces that stay in the processor's cache, and cast once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .deltas.base import columns
from .deltas.lowrank import LowRank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from .deltas.base import Delta

SMALL = 1 << 16
"""Weights with fewer elements keep their change whole: that costs less than two factors."""
PIECE = 1 << 19
"""Elements of the float32 work space on a CPU, 2 MiB: smaller pieces waste the matrix product, larger ones the cache."""


class Ready(NamedTuple):
    """A change at strength 1, float32: up [O, r] and down [r, I*k*k], or whole in the weight's shape without down."""

    up: Tensor
    down: Tensor | None = None

    def add_to(self, total: Tensor, begin: int, end: int, strength: float) -> None:
        """Add rows begin to end, times strength, to total (contiguous, those rows)."""
        if self.down is None:
            total.add_(self.up[begin:end], alpha=strength)
        else:
            total.view(end - begin, -1).addmm_(self.up[begin:end], self.down, alpha=strength)


def ready(delta: Delta, base: Tensor) -> Ready:
    """A delta's change of this base in the smallest form that loses nothing; base in its own dtype."""
    if isinstance(delta, LowRank) and base.numel() >= SMALL and delta.fits_whole(base.shape):
        up, down = delta.factors()
        return Ready(up.to(base.device), down.to(base.device))
    return Ready(delta.change(base.to(torch.float32)).reshape(base.shape))


def write_sum(into: Tensor, base: Tensor, changes: Sequence[tuple[Ready, float]]) -> None:
    """into = base + sum of strength * change, in float32 with one cast; into and base have one shape, any strides."""
    direct = into.dtype == torch.float32 and into.is_contiguous()
    rows, width = base.shape[0], max(1, columns(base.shape))
    pieces = 1 if base.device.type != "cpu" else min(rows, -(-rows * width // PIECE))
    step = max(1, -(-rows // max(1, pieces)))
    space = None if direct else torch.empty((min(step, rows), *base.shape[1:]), device=base.device)
    for begin in range(0, rows, step):
        end = min(rows, begin + step)
        total = into[begin:end] if space is None else space[: end - begin]
        total.copy_(base[begin:end])
        for change, strength in changes:
            change.add_to(total, begin, end, strength)
        if space is not None:
            into[begin:end].copy_(total)
