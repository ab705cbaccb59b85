"""LoHa: the element-wise product of two low-rank products."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from ....adapters.deltas.products import Hadamard
from ..loop.chance import make_generator
from .layer import Layer, LayerSettings
from .products import MultiplyBuilt, multiply

if TYPE_CHECKING:
    from torch import Tensor

    from .chance import Moment
    from .products import Frozen


class HadamardLayer(Layer):
    """scale * (w1_a @ w1_b) * (w2_a @ w2_b) (FedPara, 2108.06098).

    Begins as LyCORIS does: w1_b, w2_b normal with deviation 1, w1_a with 0.1, w2_a zeros. The change is formed where it
    is needed and not kept; with a frozen weight in float32 it is added to that, so that one product is enough.
    """

    algorithm: ClassVar[str] = "loha"

    def __init__(self, name: str, base: Frozen, settings: LayerSettings, moment: Moment) -> None:
        super().__init__(name, base, settings, moment)
        rows, columns, device = len(base.weight), base.weight[0].numel(), base.weight.device

        def begin(what: str, deviation: float, *shape: int) -> nn.Parameter:
            values = torch.empty(shape).normal_(0, deviation, generator=make_generator(moment.seed, name, what))
            return nn.Parameter(values.to(device))

        self.w1_a = begin("w1_a", 0.1, rows, settings.rank)
        self.w1_b = begin("w1_b", 1.0, settings.rank, columns)
        self.w2_a = nn.Parameter(torch.zeros(rows, settings.rank, device=device))
        self.w2_b = begin("w2_b", 1.0, settings.rank, columns)
        self.begin_magnitude()

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """One product with weight + change; two where the weight's dtype would round the change away."""
        factors = (self.w1_a, self.w1_b, self.w2_a, self.w2_b)
        mask, base, scale = self._draw_rank_mask(len(weight), self.w1_a), self.base, self.settings.scale
        single = weight.dtype == torch.float32
        build = partial(_build, scale=scale, mask=mask, single=single)
        y = MultiplyBuilt.apply(x, base, weight, bias if single else None, build, *factors)
        return y if single else multiply(base, x, weight, bias) + y  # type: ignore[return-value]

    def find_change(self) -> Hadamard:
        """Of the four factors."""
        factors = {name: getattr(self, name).detach() for name in ("w1_a", "w1_b", "w2_a", "w2_b")}
        return Hadamard(**factors, scale=self.settings.scale)


def _build(weight: Tensor, *factors: Tensor, scale: float, mask: Tensor | None, single: bool) -> Tensor:
    w1_a, w1_b, w2_a, w2_b = factors
    change = ((w1_a * scale) @ w1_b) * (w2_a @ w2_b)
    if mask is not None:
        change = change * mask[:, None]
    change = change.view(weight.shape)
    return weight + change if single else change.to(weight.dtype)
