"""What steers a picture: encoded prompts by step, and ControlNets with their maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..models.model import ControlNetwork
    from ..request import ControlMode


class Conditioning(msgspec.Struct, frozen=True, kw_only=True):
    """One encoded prompt, or one part of a prompt with AND.

    states: [1, T, D], T a multiple of the encoder's length. pooled: [1, P], and ids: [1, 6] or [1, 5] (size ids; the
    refiner's aesthetic score), both of SDXL only. weight: of a part among others.
    """

    states: Tensor
    pooled: Tensor | None = None
    ids: Tensor | None = None
    weight: float = 1.0


class PromptPlan(Protocol):
    """Encoded prompts of a batch by step; one of the prompt, one of the negative prompt."""

    def at(self, step: int, total: int) -> Sequence[Sequence[Conditioning]]:
        """Parts for each picture at a call of the model. Of a negative prompt there is one part.

        step: calls of the model so far. total: the calls that are expected, as A1111 counts them (two a step for
        samplers of second order).
        """
        ...


class ControlUnit(msgspec.Struct, frozen=True, kw_only=True):
    """A ControlNet with its map.

    hint: [1 or B, 3, H, W], 0 to 1, of the picture's size. start, end: share of the steps in which it steers. mode:
    balanced; or prompt, or control, is more important, as in A1111. modes: of a union ControlNet, what kinds of map
    the hint is.
    """

    network: ControlNetwork
    hint: Tensor
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: ControlMode = "balanced"
    modes: tuple[int, ...] = ()
