"""LoHa and LoKr: the change is a Hadamard or a Kronecker product of small matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch

from ...core.errors import BadWeights
from .base import (
    Delta,
    Extent,
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


class _Side(NamedTuple):
    """One operand of a product: a whole matrix, or a [x, r] and b [r, y], or a [r, x] and b [r, y] around a core."""

    name: str
    whole: Tensor | None
    a: Tensor | None
    b: Tensor | None
    core: Tensor | None = None

    def factors(self) -> tuple[Tensor, Tensor]:
        if self.a is None or self.b is None:
            raise BadWeights(f"{self.name}_a or {self.name}_b is missing", fix="fetch or export the file again")
        return self.a, self.b

    def rank(self) -> int | None:
        return None if self.whole is not None or self.b is None else count_rows(self.b)

    def fault(self) -> str | None:
        if self.whole is not None:
            return find_dims_fault(self.name, self.whole, 2, 3, 4, 5)
        if self.a is None or self.b is None:
            return f"{self.name} is neither there nor {self.name}_a with {self.name}_b"
        fault = find_dims_fault(f"{self.name}_a", self.a, 2) or find_dims_fault(f"{self.name}_b", self.b, 2)
        if fault or self.core is None:
            return fault or find_rank_fault(self.a.shape[1], self.b.shape[0])
        fault = find_dims_fault(f"the core of {self.name}", self.core, 3, 4, 5)
        return (
            fault
            or find_rank_fault(self.core.shape[0], self.a.shape[0])
            or find_rank_fault(self.core.shape[1], self.b.shape[0])
        )

    def extent(self) -> Extent:
        if self.whole is not None:
            return Extent(self.whole.shape[0], self.whole.shape[1:].numel(), tuple(self.whole.shape[2:]))
        a, b = self.factors()
        if self.core is None:
            return Extent(a.shape[0], b.shape[1])
        return Extent(a.shape[1], b.shape[1] * self.core.shape[2:].numel(), tuple(self.core.shape[2:]))

    def matrix(self, like: Tensor) -> Tensor:
        """The operand as [rows, columns], float32 on like's device; may alias a stored tensor if whole."""
        if self.whole is not None:
            return flatten_factor(to_float32(self.whole, like))
        a, b = (to_float32(factor, like) for factor in self.factors())
        if self.core is None:
            return a @ b
        inner = torch.einsum("pq...,qi->pi...", to_float32(self.core, like), b)
        return a.T @ flatten_factor(inner)


@dataclass(frozen=True, eq=False, kw_only=True)
class Hadamard(Delta):
    """LoHa: scale * (w1_a @ w1_b) * (w2_a @ w2_b), element by element (FedPara, 2108.06098; LyCORIS).

    w*_a [O, r], w*_b [r, I*k*k]. With cores t1 and t2 [r, r, k, k] w*_a is [r, O], w*_b [r, I], and each operand is
    sum_pq t[p, q, :, :] a[p, o] b[q, i]. scale: alpha / r.
    """

    algorithm: ClassVar[str] = "loha"

    w1_a: Tensor
    w1_b: Tensor
    w2_a: Tensor
    w2_b: Tensor
    t1: Tensor | None = None
    t2: Tensor | None = None
    scale: float = 1.0

    @property
    def rank(self) -> int:
        """Rows of w1_b."""
        return count_rows(self.w1_b)

    @property
    def extent(self) -> Extent | None:
        """As the first operand shows it; None when its factors misfit."""
        side = self._sides()[0]
        return None if side.fault() else side.extent()

    def _sides(self) -> tuple[_Side, _Side]:
        one = _Side("w1", None, self.w1_a, self.w1_b, self.t1)
        return one, _Side("w2", None, self.w2_a, self.w2_b, self.t2)

    def _fault(self, shape: Sequence[int]) -> str | None:
        one, two = self._sides()
        fault = one.fault() or two.fault()
        if fault:
            return fault
        mine, other = one.extent(), two.extent()
        if mine[:2] != other[:2]:
            return f"the two halves of a LoHa differ: {list(mine[:2])} and {list(other[:2])}"
        return find_extent_fault(f"a LoHa of rank {self.rank}", mine, shape)

    def _change(self, base: Tensor) -> Tensor:
        one, two = self._sides()
        product = one.matrix(base).mul_(two.matrix(base))
        return (product.mul_(self.scale) if self.scale != 1 else product).reshape(base.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Kronecker(Delta):
    """LoKr: c * kron(w1, w2), each full or a product of two factors (LyCORIS).

    w1 [o1, i1] or w1_a [o1, r] @ w1_b [r, i1]; w2 [o2, i2] or [o2, i2, k, k] or w2_a [o2, r] @ w2_b [r, i2*k*k], or
    around a core t2 [r, r, k, k]: w2_a [r, o2], w2_b [r, i2]; O = o1*o2, I = i1*i2. c: scale (alpha / r with r from
    w2_b, else w1_b), but 1 when both are full, except with always_scaled: PEFT multiplies by alpha / r even then.
    """

    algorithm: ClassVar[str] = "lokr"

    w1: Tensor | None = None
    w1_a: Tensor | None = None
    w1_b: Tensor | None = None
    w2: Tensor | None = None
    w2_a: Tensor | None = None
    w2_b: Tensor | None = None
    t2: Tensor | None = None
    scale: float = 1.0
    always_scaled: bool = False

    @property
    def rank(self) -> int | None:
        """Rows of w2_b, else of w1_b; None when both are full."""
        small, large = self._sides()
        return small.rank() if large.rank() is None else large.rank()

    @property
    def factor(self) -> float:
        """What the product is really multiplied by."""
        return 1.0 if self.rank is None and not self.always_scaled else self.scale

    @property
    def extent(self) -> Extent | None:
        """Product of both operands' sizes; None when one is incomplete."""
        small, large = self._sides()
        if small.fault() or large.fault():
            return None
        one, two = small.extent(), large.extent()
        return Extent(one.rows * two.rows, one.cols * two.cols, two.kernel)

    def _sides(self) -> tuple[_Side, _Side]:
        small = _Side("w1", self.w1, self.w1_a, self.w1_b)
        return small, _Side("w2", self.w2, self.w2_a, self.w2_b, self.t2)

    def _fault(self, shape: Sequence[int]) -> str | None:
        small, large = self._sides()
        extent = self.extent
        if extent is None:
            return small.fault() or large.fault()
        if small.extent().kernel and small.extent().kernel != (1,) * len(small.extent().kernel):
            return f"w1 of a LoKr has shape {list(small.extent().kernel)} behind its two axes"
        rank = "" if self.rank is None else f" of rank {self.rank}"
        return find_extent_fault(f"a LoKr{rank}", extent, shape)

    def _change(self, base: Tensor) -> Tensor:
        small, large = (side.matrix(base) for side in self._sides())
        if self.factor != 1:
            small = small * self.factor
        product = small[:, None, :, None] * large[None, :, None, :]
        return product.reshape(base.shape)
