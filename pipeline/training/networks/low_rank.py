"""LoRA of linear layers and of convolutions (LoCon)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from ....adapters.deltas.lowrank import LowRank
from ..loop.chance import make_generator
from .layer import Layer, LayerSettings
from .products import AddLowRank, AddLowRankConv

if TYPE_CHECKING:
    from torch import Tensor

    from .chance import Moment
    from .products import Frozen


class LowRankLayer(Layer):
    """scale * up @ down (2106.09685). down begins as kaiming-uniform with a = sqrt 5, up as zeros, as in kohya's
    scripts and PEFT. A convolution's down has its kernel, its up is 1x1."""

    algorithm: ClassVar[str] = "lora"

    def __init__(self, name: str, base: Frozen, settings: LayerSettings, moment: Moment) -> None:
        super().__init__(name, base, settings, moment)
        shape, device = base.weight.shape, base.weight.device
        down = torch.empty(settings.rank, *shape[1:])
        nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=make_generator(moment.seed, name, "down"))
        self.down = nn.Parameter(down.to(device))
        self.up = nn.Parameter(torch.zeros(shape[0], settings.rank, *(1,) * (len(shape) - 2), device=device))
        self._square: Tensor | None = None
        self.begin_magnitude()

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Two small products beside the frozen one."""
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        mask, scale = self._draw_mask(x), self.settings.scale
        if isinstance(self.base, nn.Conv2d):
            return AddLowRankConv.apply(x, self.base, weight, bias, down, up, mask, scale)  # type: ignore[return-value]
        return AddLowRank.apply(x, weight, bias, down, up, mask, scale)  # type: ignore[return-value]

    def find_change(self) -> LowRank:
        """Of both factors."""
        return LowRank(up=self.up.detach(), down=self.down.detach(), scale=self.settings.scale)

    @torch.no_grad()
    def find_norm(self) -> Tensor:
        """From the factors, without their product: |W|² + 2 s <W, up down> + s² |up down|², row by row."""
        weight, scale = self._flat_weight(), self.settings.scale
        if self._square is None:
            self._square = weight.square().sum(1)
        up, down = self.up.flatten(1), self.down.flatten(1)
        mixed = (weight @ down.t() * up).sum(1)
        own = (up @ (down @ down.t()) * up).sum(1)
        return (self._square + 2 * scale * mixed + scale * scale * own).clamp_(min=0).sqrt_()

    def _draw_mask(self, x: Tensor) -> Tensor | None:
        """For what stands between the factors: single values, and whole ranks of a sample, as in kohya's scripts."""
        moment, settings = self._moment, self.settings
        if not moment.training or not (settings.dropout or settings.rank_dropout):
            return None
        conv = isinstance(self.base, nn.Conv2d)
        middle = self._find_size(x) if conv else tuple(x.shape[1:-1])
        ones = (1,) * len(middle)
        masks: list[Tensor] = []
        for kind, rate, size in (("value", settings.dropout, middle), ("rank", settings.rank_dropout, ones)):
            shape = (len(x), settings.rank, *size) if conv else (len(x), *size, settings.rank)
            if rate:
                masks.append(moment.draw_mask(f"{self.name}/{kind}", shape, rate, x))
        return math.prod(masks[1:], start=masks[0])

    def _find_size(self, x: Tensor) -> tuple[int, ...]:
        base = self.base
        assert isinstance(base, nn.Conv2d)
        padding = base.padding if isinstance(base.padding, tuple) else (0, 0)
        steps = zip(x.shape[2:], base.kernel_size, base.stride, padding, base.dilation, strict=True)
        return tuple(
            (side + 2 * pad - wide * (kernel - 1) - 1) // stride + 1 for side, kernel, stride, pad, wide in steps
        )
