"""Average of any number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class NAverageParams(Params, frozen=True):
    """How far towards the average."""

    strength: Annotated[float, weight("Share of the result that goes in; 0 gives A", 0, 1)] = 1.0


class NAverage(Method[NAverageParams]):
    """A + (mean(A, B, ...) − A)·strength."""

    spec = Spec(id="n_average", title="Average of any number", weight="strength", more=True)

    def merge(self, chunk: Chunk, params: NAverageParams) -> Tensor:
        """As A with the mean change, so that equal models give themselves."""
        first, *others = chunk.tensors
        total = others[0] - first
        for other in others[1:]:
            total.add_(other - first)
        return total.mul_(params.strength / len(chunk.tensors)).add_(first)

    def find_copy(self, params: NAverageParams) -> int | None:
        """A at 0."""
        return None if params.strength else 0
