"""Smooth add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.errors import BadWeights
from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

_DIMENSIONS = 5
"""More than any model has; the neighbours of a number are 3 to the power of this."""


class SmoothAddParams(Params, frozen=True):
    """How much of the difference."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class SmoothAdd(Method[SmoothAddParams]):
    """A + g(m(B−C))·α, m the median of 3 neighbours and g a Gaussian of σ 1, along every dimension.

    Every α is allowed. After hako-mikan's supermerger.
    """

    spec = Spec(id="smooth_add", title="Smooth add", inputs=("A", "B", "C"), grain="row", halo=5)

    def merge(self, chunk: Chunk, params: SmoothAddParams) -> Tensor:
        """Filter the difference in the tensor's own dimensions."""
        from ..arithmetic.filters import blur, filter_median

        if len(chunk.shape) > _DIMENSIONS:
            what = f"has {len(chunk.shape)} dimensions, more than the {_DIMENSIONS} that are smoothed"
            raise BadWeights(what, where=chunk.key, fix="choose another method")
        first, second, third = chunk.tensors
        change = (second - third).view(-1, *chunk.shape[1:])
        return blur(filter_median(change)).reshape(first.shape).mul_(params.alpha).add_(first)

    def find_copy(self, params: SmoothAddParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
