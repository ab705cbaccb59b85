"""A change of the first columns of a weight that became wider, with zeros behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .base import Delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class WidePart(Delta):
    """Inner's change of the first columns, computed on these alone; the others stay as they are.

    For kinds whose factors cannot get columns of zeros. Exact for every kind where the weight's own other columns are
    zero: the layer before it became wider is the part.
    """

    algorithm: ClassVar[str] = "columns"
    uses_base: ClassVar[bool] = True

    inner: Delta
    columns: int

    @property
    def rank(self) -> int | None:
        """Of the inner change."""
        return self.inner.rank

    def _fault(self, shape: Sequence[int]) -> str | None:
        if len(shape) < 2 or shape[1] < self.columns:
            return f"made for {self.columns} columns, and the weight has the shape {list(shape)}"
        return self.inner._fault((shape[0], self.columns, *shape[2:]))

    def _change(self, base: Tensor) -> Tensor:
        whole = torch.zeros_like(base)
        whole[:, : self.columns] = self.inner._change(base[:, : self.columns].contiguous())
        return whole


def widen_delta(delta: Delta, shape: Sequence[int]) -> Delta:
    """A change of a weight of that shape for one with more columns; others as they are."""
    fits = delta.changes_weight and delta._fault(shape) is None
    return WidePart(inner=delta, columns=shape[1], bias=delta.bias) if fits else delta
