"""Min interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class MinInterpolationParams(Params, frozen=True):
    """How far towards it."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class MinInterpolation(Method[MinInterpolationParams]):
    """A + (min(A, B) − A)·α, element by element."""

    spec = Spec(id="min_interpolation", title="Min interpolation")

    def merge(self, chunk: Chunk, params: MinInterpolationParams) -> Tensor:
        """Interpolate towards the smaller one."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, torch.minimum(first, second), params.alpha)

    def find_copy(self, params: MinInterpolationParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
