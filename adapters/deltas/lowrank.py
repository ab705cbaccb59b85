"""LoRA and LoCon: two factors, or three (Tucker) for convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .base import (
    Delta,
    Extent,
    count_columns,
    count_rows,
    find_dims_fault,
    find_extent_fault,
    find_rank_fault,
    flatten_factor,
    to_float32,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class LowRank(Delta):
    """scale * up @ down (LoRA, 2106.09685; LoCon and Tucker: github.com/KohakuBlueleaf/LyCORIS).

    up [O, r] or [O, r, 1, 1]; down [r, I] or [r, I, k, k]; mid (Tucker) [r, r, k, k], then down is [r, I] or
    [r, I, 1, 1] and the change is sum_pq up[o, p] mid[p, q, :, :] down[q, i]. scale: alpha / r, down's first axis.
    """

    algorithm: ClassVar[str] = "lora"

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    scale: float = 1.0

    @property
    def rank(self) -> int:
        """Rows of down."""
        return count_rows(self.down)

    @property
    def extent(self) -> Extent:
        """Rows of up, columns of down times mid's kernel."""
        cols, kernel = self.down.shape[1:].numel(), tuple(self.down.shape[2:])
        if self.mid is None:
            return Extent(count_rows(self.up), cols, kernel)
        kernel = tuple(self.mid.shape[2:])
        return Extent(count_rows(self.up), cols * self.mid.shape[2:].numel(), kernel)

    def factors(self) -> tuple[Tensor, Tensor]:
        """Up [O, r] and down [r, I*k*k], float32, scale folded into the smaller: their product is the change.

        With mid its kernel is folded into down, exactly.
        """
        up, down = flatten_factor(to_float32(self.up)), flatten_factor(to_float32(self.down))
        if self.mid is not None:
            down = flatten_factor(torch.einsum("pq...,qi->pi...", to_float32(self.mid), down))
        if self.scale == 1:
            return up, down
        return (up * self.scale, down) if up.numel() <= down.numel() else (up, down * self.scale)

    def fits_whole(self, shape: Sequence[int]) -> bool:
        """Whether this changes all of a weight of that shape, which was checked, and not an inpainting model's part."""
        return self.extent.cols == count_columns(shape)

    def _fault(self, shape: Sequence[int]) -> str | None:
        return (
            find_dims_fault("up", self.up, 2, 4)
            or find_dims_fault("down", self.down, 2, 4)
            or self._middle_fault()
            or find_extent_fault(f"a LoRA of rank {self.rank}", self.extent, shape)
        )

    def _middle_fault(self) -> str | None:
        inner = self.up.shape[1:].numel()
        if self.mid is None:
            return find_rank_fault(self.rank, inner)
        fault = find_dims_fault("mid", self.mid, 4) or find_rank_fault(self.mid.shape[0], inner)
        fault = fault or find_rank_fault(self.mid.shape[1], self.rank)
        if fault is None and self.down.shape[2:].numel() != 1:
            fault = f"down has shape {list(self.down.shape)}: beside mid its kernel must be 1x1"
        return fault

    def _change(self, base: Tensor) -> Tensor:
        up, down = self.factors()
        return (up.to(base.device) @ down.to(base.device)).reshape(base.shape)

    def add_to(self, total: Tensor, base: Tensor, strength: float = 1.0) -> None:
        """One matrix product accumulated into total; see Delta.add_to."""
        if self._native(base.shape) != tuple(base.shape) or not total.is_contiguous():
            super().add_to(total, base, strength)
            return
        up, down = (factor.to(total.device) for factor in self.factors())
        flatten_factor(total).addmm_(up, down, alpha=strength)

    def _added(self, base: Tensor, strength: float) -> Tensor:
        if self._native(base.shape) != tuple(base.shape):
            return super()._added(base, strength)
        up, down = (factor.to(base.device) for factor in self.factors())
        return torch.addmm(flatten_factor(base), up, down, alpha=strength).reshape(base.shape)
