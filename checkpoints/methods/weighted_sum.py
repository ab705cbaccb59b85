"""Weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, find_end, weight

if TYPE_CHECKING:
    from torch import Tensor


class WeightedSumParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class WeightedSum(Method[WeightedSumParams]):
    """A·(1−α) + B·α.

    Every α is allowed; outside 0 to 1 the difference of A and B is exaggerated.
    """

    spec = Spec(id="weighted_sum", title="Weighted sum", native=True)

    def merge(self, chunk: Chunk, params: WeightedSumParams) -> Tensor:
        """One interpolation, in float32 inside."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, second, params.alpha, out=chunk.room)

    def find_copy(self, params: WeightedSumParams) -> int | None:
        """A at 0, B at 1."""
        return find_end(params.alpha)

    def merge_as_a1111(self, tensors: tuple[Tensor, ...], params: WeightedSumParams) -> Tensor:
        """Two products and a sum, each rounded."""
        first, second = tensors
        return (1 - params.alpha) * first + params.alpha * second
