"""LoRA that was started from a part of the base weight: PEFT's PiSSA and OLoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from .base import Delta, Extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from .lowrank import LowRank

Start = Literal["pissa", "olora"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Residual(Delta):
    """inner's change minus what PEFT took out of the base weight before training, computed again from the weight.

    start "pissa" (2404.02948): the best approximation of W at inner's rank r, by its r largest singular values.
    "olora" (2406.01775): inner's scale times Q[:, :r] R[:r] of W = Q R. Linear layers only, as in PEFT. Right only on
    the base model that it was trained on.
    """

    algorithm: ClassVar[str] = "lora_residual"
    uses_base: ClassVar[bool] = True

    inner: LowRank
    start: Start

    @property
    def rank(self) -> int:
        """Of the inner change."""
        return self.inner.rank

    @property
    def extent(self) -> Extent:
        """Of the inner change."""
        return self.inner.extent

    def _fault(self, shape: Sequence[int]) -> str | None:
        if len(shape) != 2:
            return f"PEFT starts {self.start} on linear layers only, not on a weight of shape {list(shape)}"
        if self.rank > min(shape):
            return f"its rank of {self.rank} is larger than a weight of shape {list(shape)}"
        return self.inner._fault(shape)

    def _change(self, base: Tensor) -> Tensor:
        return self.inner._change(base) - self._taken(base)

    def _taken(self, base: Tensor) -> Tensor:
        rank = self.rank
        if self.start == "pissa":
            left, values, right = torch.linalg.svd(base, full_matrices=False)
            return (left[:, :rank] * values[:rank]) @ right[:rank]
        left, right = torch.linalg.qr(base)
        return (left[:, :rank] @ right[:rank]) * self.inner.scale
