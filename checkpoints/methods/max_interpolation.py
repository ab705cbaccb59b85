"""Max interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class MaxInterpolationParams(Params, frozen=True):
    """How far towards it."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class MaxInterpolation(Method[MaxInterpolationParams]):
    """A + (max(A, B) − A)·α, element by element."""

    spec = Spec(id="max_interpolation", title="Max interpolation")

    def merge(self, chunk: Chunk, params: MaxInterpolationParams) -> Tensor:
        """Interpolate towards the larger one."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, torch.maximum(first, second), params.alpha)

    def find_copy(self, params: MaxInterpolationParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
