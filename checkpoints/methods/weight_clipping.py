"""Weight clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class WeightClippingParams(Params, frozen=True):
    """How far."""

    strength: Annotated[float, weight("Share of the result that goes in; 0 gives A", 0, 1)] = 1.0


class WeightClipping(Method[WeightClippingParams]):
    """A + (clip(A, min(B, C, ...), max(B, C, ...)) − A)·strength: A held inside the range of the others.

    In a recipe A is a merge, such as an add difference, and the others are what went into it.
    """

    spec = Spec(id="weight_clipping", title="Weight clipping", weight="strength", inputs=("A", "B", "C"), more=True)

    def merge(self, chunk: Chunk, params: WeightClippingParams) -> Tensor:
        """Bounds of the others."""
        import torch

        first, *others = chunk.tensors
        low, high = others[0], others[0]
        for other in others[1:]:
            low, high = torch.minimum(low, other), torch.maximum(high, other)
        return torch.lerp(first, first.clamp(low, high), params.strength)

    def find_copy(self, params: WeightClippingParams) -> int | None:
        """A at 0."""
        return None if params.strength else 0
