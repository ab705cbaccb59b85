"""Geometric mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, find_end, weight

if TYPE_CHECKING:
    from torch import Tensor


class GeometricMeanParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula", 0, 1)] = 0.5


class GeometricMean(Method[GeometricMeanParams]):
    """Real part of A^(1−α)·B^α, element by element; α from 0 to 1.

    Of equal signs that is ±|A|^(1−α)·|B|^α; of different signs the factor cos(π·α) or cos(π·(1−α)) comes in.
    """

    spec = Spec(id="geometric_mean", title="Geometric mean")

    def merge(self, chunk: Chunk, params: GeometricMeanParams) -> Tensor:
        """Magnitudes, then the cosine of the turn that the signs make."""
        import math

        import torch

        first, second = chunk.tensors
        size = first.abs().pow_(1 - params.alpha).mul_(second.abs().pow_(params.alpha))
        turns = [1.0, math.cos(math.pi * params.alpha), math.cos(math.pi * (1 - params.alpha)), -1.0]
        negative = (first < 0).to(torch.int64).mul_(2).add_(second < 0)
        return size.mul_(torch.tensor(turns, dtype=torch.float32)[negative])

    def find_copy(self, params: GeometricMeanParams) -> int | None:
        """A at 0, B at 1."""
        return find_end(params.alpha)
