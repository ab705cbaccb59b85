"""Random numbers of a network, each from what it is for: a run that goes on draws what it would have drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..loop.chance import make_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass
class Moment:
    """Where a run stands, shared by all layers of a network. Nothing is drawn from a state that a run would have to
    keep: dropout depends on seed, step, pass and layer alone, also where a layer is computed a second time.

    index: of the pass within a step. training: whether dropout is on. active: whether the network answers at all.
    """

    seed: int
    step: int = 0
    index: int = 0
    training: bool = False
    active: bool = True

    def draw_mask(self, name: str, shape: Sequence[int], rate: float, like: Tensor) -> Tensor:
        """Zeros at that rate, and 1 / (1 - rate) elsewhere, in like's dtype and on its device."""
        generator = make_generator(self.seed, self.step, self.index, name)
        kept = torch.rand(tuple(shape), generator=generator) >= rate
        return (kept.to(torch.float32) / (1 - rate)).to(like)

    def skip(self, name: str, rate: float) -> bool:
        """Whether a layer is left out of this pass, at that rate."""
        generator = make_generator(self.seed, self.step, self.index, name, "module")
        return float(torch.rand((), generator=generator)) < rate
