"""A choice of rows of a weight, and a change that is computed whole and cut afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch

from ...core.errors import BadWeights
from .base import Delta, Extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class RowChoice(NamedTuple):
    """Rows of a weight with total rows: ranges (start, length), in the order in which they are wanted."""

    ranges: tuple[tuple[int, int], ...]
    total: int

    @property
    def size(self) -> int:
        """Number of rows chosen."""
        return sum(length for _, length in self.ranges)

    @property
    def complete(self) -> bool:
        """Whether every row is chosen once: rows only change places."""
        ordered = sorted(self.ranges)
        ends = [0, *(start + length for start, length in ordered)]
        return [start for start, _ in ordered] == ends[:-1] and ends[-1] == self.total

    def pick(self, tensor: Tensor, axis: int = 0) -> Tensor:
        """Those rows of a tensor, or entries of another axis; a view where one range is chosen. Raises BadWeights."""
        found = tensor.shape[axis] if axis < tensor.ndim else 0
        if found != self.total:
            raise BadWeights(f"a factor has {found} rows where {self.total} are due", fix="check the base model")
        parts = [tensor.narrow(axis, start, length) for start, length in self.ranges]
        return parts[0] if len(parts) == 1 else torch.cat(parts, axis)

    def put_back(self, rows: Tensor) -> Tensor:
        """The inverse of `pick` of a complete choice."""
        whole, at = torch.empty_like(rows), 0
        for start, length in self.ranges:
            whole.narrow(0, start, length).copy_(rows.narrow(0, at, length))
            at += length
        return whole

    def in_blocks(self, size: int) -> RowChoice | None:
        """The same choice in blocks of that many rows; None where it cuts one through."""
        if size < 1 or self.total % size or any(start % size or length % size for start, length in self.ranges):
            return None
        return RowChoice(tuple((start // size, length // size) for start, length in self.ranges), self.total // size)


@dataclass(frozen=True, eq=False, kw_only=True)
class RowPart(Delta):
    """The chosen rows of inner's change, where its factors cannot be cut.

    Inner's change does not depend on the base weight, or the choice is complete: then it is computed on the base with
    its rows put back in inner's order.
    """

    algorithm: ClassVar[str] = "rows"
    uses_base: ClassVar[bool] = True

    inner: Delta
    choice: RowChoice

    @property
    def rank(self) -> int | None:
        """Of the inner change."""
        return self.inner.rank

    @property
    def extent(self) -> Extent | None:
        """Of the inner change, with the chosen rows."""
        whole = self.inner.extent
        return None if whole is None else whole._replace(rows=self.choice.size)

    def _fault(self, shape: Sequence[int]) -> str | None:
        if shape[0] != self.choice.size:
            return f"made for {self.choice.size} of {self.choice.total} rows, not for {shape[0]}"
        return self.inner._fault((self.choice.total, *shape[1:]))

    def _change(self, base: Tensor) -> Tensor:
        if self.choice.complete:
            whole = self.choice.put_back(base)
        else:
            whole = base.new_zeros(()).expand(self.choice.total, *base.shape[1:])
        return self.choice.pick(self.inner._change(whole))
