"""What every kind of trained factors has in common: the frozen layer that they stand beside, dropout, DoRA."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from ....adapters.deltas.dora import Dora

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ....adapters.deltas.base import Delta
    from .chance import Moment
    from .products import Frozen

EPSILON = float(torch.finfo(torch.float32).eps)
"""Added to the norm of a DoRA, as where its file is applied."""


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """How a layer is trained. scale: factor on the change. dora: with a trained magnitude of each output.

    dropout, rank_dropout, module_dropout: rates of what is left out of a pass: values between the factors (LoRA only),
    rows of the first factor (LoRA) or of the change (others), and whole layers.
    """

    rank: int
    scale: float
    dora: bool = False
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0


class Layer(nn.Module, ABC):
    """Factors that are trained, in float32, and how the frozen layer answers with them.

    name: canonical, of the frozen layer. The frozen layer is no child of this module and keeps its weights; while
    installed, it answers through this. Its weights may be of another dtype than the factors: products are in the dtype
    of the input, or of autocast, and the factors in float32 until then.

    DoRA (2402.09353): the answer without bias is multiplied by magnitude / norm, norm of each row of weight + change.
    The norm counts as a constant for gradients, as the paper proposes in 4.3 and PEFT does.
    """

    algorithm: ClassVar[str]

    def __init__(self, name: str, base: Frozen, settings: LayerSettings, moment: Moment) -> None:
        super().__init__()
        self.name, self.settings, self._moment = name, settings, moment
        self._held = [base]
        self._original: Callable[[Tensor], Tensor] | None = None
        self.magnitude: nn.Parameter | None = None

    def begin_magnitude(self) -> None:
        """For DoRA: the magnitude of the frozen weight, so that nothing changes at first."""
        if self.settings.dora:
            self.magnitude = nn.Parameter(self._flat_weight().norm(dim=1))

    @property
    def base(self) -> Frozen:
        """The frozen layer."""
        return self._held[0]

    def install(self) -> None:
        """Let the frozen layer answer through this."""
        self._original = self.base.forward
        self.base.forward = self.forward  # type: ignore[method-assign]

    def remove(self) -> None:
        """Let the frozen layer answer by itself again."""
        if self._original is not None:
            del self.base.forward
            self._original = None

    def forward(self, x: Tensor) -> Tensor:
        """What the frozen layer answers with the change."""
        settings, moment, base = self.settings, self._moment, self.base
        rate = settings.module_dropout if moment.training else 0.0
        if not moment.active or (rate and moment.skip(self.name, rate)):
            return type(base).forward(base, x)  # type: ignore[arg-type]
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        weight, bias = base.weight.to(x.dtype), None if base.bias is None else base.bias.to(x.dtype)
        if self.magnitude is None:
            return self.answer(x, weight, bias)
        shape = (-1, *(1,) * (weight.ndim - 2))
        factor = (self.magnitude / (self.find_norm() + EPSILON)).to(x.dtype).view(shape)
        y = self.answer(x, weight, None)
        return y * factor if bias is None else torch.addcmul(bias.view(shape), y, factor)

    @abstractmethod
    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """weight(x) + bias + scale * change(x), in x's dtype."""

    @abstractmethod
    def find_change(self) -> Delta:
        """The change as files have it; tensors are the parameters themselves."""

    @torch.no_grad()
    def find_norm(self) -> Tensor:
        """Norm of each row of weight + change, float32 [O]."""
        weight = self._flat_weight()
        return (weight + self.find_change().change(weight.view(self.base.weight.shape)).view_as(weight)).norm(dim=1)

    def make_delta(self, dtype: torch.dtype) -> Delta:
        """What was trained, for a file in that dtype."""
        return self._cast(self.find_change(), dtype)

    def _cast(self, delta: Delta, dtype: torch.dtype) -> Delta:
        from dataclasses import fields, replace

        held = {field.name: getattr(delta, field.name) for field in fields(delta)}
        tensors = {
            n: value.detach().to(dtype).cpu().contiguous() for n, value in held.items() if torch.is_tensor(value)
        }
        delta = replace(delta, **tensors)
        if self.magnitude is None:
            return delta
        return Dora(inner=delta, magnitude=self.magnitude.detach().to(dtype).cpu(), axis="out")

    def _flat_weight(self) -> Tensor:
        return self.base.weight.detach().to(torch.float32).flatten(1)

    def _draw_rank_mask(self, count: int, like: Tensor) -> Tensor | None:
        rate = self.settings.rank_dropout if self._moment.training else 0.0
        return self._moment.draw_mask(f"{self.name}/rank", (count,), rate, like) if rate else None
