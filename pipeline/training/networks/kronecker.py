"""LoKr: the Kronecker product of a small matrix and a larger one, each whole or of two factors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from ....adapters.deltas.products import Kronecker
from ..loop.chance import make_generator
from .layer import Layer, LayerSettings
from .products import multiply

if TYPE_CHECKING:
    from torch import Tensor

    from .chance import Moment
    from .products import Frozen


def split_side(side: int, factor: int) -> tuple[int, int]:
    """A side as a product of two, the smaller first: the largest divisor up to factor and the side's root.

    factor: 0 for the root alone. LyCORIS divides in the same way.

    >>> split_side(320, 8), split_side(320, 0), split_side(7, 4)
    ((8, 40), (16, 20), (1, 7))
    """
    most = math.isqrt(side) if factor < 1 else min(factor, math.isqrt(side))
    small = next(divisor for divisor in range(most, 0, -1) if side % divisor == 0)
    return small, side // small


class KroneckerLayer(Layer):
    """scale * kron(w1, w2) as LyCORIS has it; a change of both whole operands has scale 1.

    w1 [o1, i1] is whole, or w1_a @ w1_b with decompose and a rank below half its longer side; w2 [o2, i2, k, k] is
    w2_a @ w2_b where the rank is below half of o2 or i2, whichever is larger. Zeros to begin with: w2, or w2_b; the
    rest is kaiming-uniform with a = sqrt 5. The product itself is never formed: w2 is applied, then w1.
    """

    algorithm: ClassVar[str] = "lokr"

    def __init__(
        self,
        name: str,
        base: Frozen,
        settings: LayerSettings,
        moment: Moment,
        *,
        factor: int = 0,
        decompose: bool = False,
    ) -> None:
        super().__init__(name, base, settings, moment)
        shape, rank = base.weight.shape, settings.rank
        (o1, o2), (i1, i2) = split_side(shape[0], factor), split_side(shape[1], factor)
        self._sides, self._kernel = (o1, o2, i1, i2), tuple(shape[2:])
        if decompose and rank < max(o1, i1) / 2:
            self.w1_a, self.w1_b = self._begin("w1_a", o1, rank), self._begin("w1_b", rank, i1)
        else:
            self.w1 = self._begin("w1", o1, i1)
        if rank < max(o2, i2) / 2:
            self.w2_a, self.w2_b = self._begin("w2_a", o2, rank), self._begin("", rank, i2 * math.prod(self._kernel))
        else:
            self.w2 = self._begin("", o2, i2, *self._kernel)
        self.begin_magnitude()

    def _begin(self, what: str, *shape: int) -> nn.Parameter:
        values = torch.zeros(shape)
        if what:
            generator = make_generator(self._moment.seed, self.name, what)
            nn.init.kaiming_uniform_(values, a=math.sqrt(5), generator=generator)
        return nn.Parameter(values.to(self.base.weight.device))

    @property
    def _scale(self) -> float:
        return 1.0 if hasattr(self, "w1") and hasattr(self, "w2") else self.settings.scale

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The frozen product, and those with both operands."""
        o1, o2, i1, i2 = self._sides
        w1 = self.w1 if hasattr(self, "w1") else self.w1_a @ self.w1_b
        w2 = (self.w2 if hasattr(self, "w2") else self.w2_a @ self.w2_b).view(o2, i2, *self._kernel)
        small, large = (w1 * self._scale).to(x.dtype), w2.to(x.dtype)
        y = multiply(self.base, x, weight, bias)
        if isinstance(self.base, nn.Conv2d):
            inner = multiply(self.base, x.reshape(-1, i2, *x.shape[2:]), large, None)
            change = (small @ inner.reshape(len(x), i1, -1)).view(y.shape)
        else:
            inner = multiply(self.base, x.reshape(-1, i1, i2), large, None)
            change = (small @ inner).view(y.shape)
        mask = self._draw_rank_mask(o1 * o2, y)
        if mask is not None:
            change = change * mask.view(-1, *(1,) * (weight.ndim - 2))
        return y + change

    def find_change(self) -> Kronecker:
        """Of the operands or their factors."""
        names = ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b")
        return Kronecker(**{n: getattr(self, n).detach() for n in names if hasattr(self, n)}, scale=self._scale)
