"""Geometric median."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params, between
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class GeometricMedianParams(Params, frozen=True):
    """How far towards the median, and how exact."""

    strength: Annotated[float, weight("Share of the result that goes in; 0 gives A", 0, 1)] = 1.0
    steps: Annotated[int, between(1, 1000, "Most steps of the iteration")] = 100


class GeometricMedian(Method[GeometricMedianParams]):
    """A + (M − A)·strength, M the point with the least sum of distances to all models, tensor by tensor.

    By Weiszfeld's iteration.
    """

    spec = Spec(id="geometric_median", title="Geometric median", weight="strength", more=True)

    def measure(self, read: Read, params: GeometricMedianParams) -> list[float]:
        """Weights of the models in the median."""
        from ..arithmetic.similarity import find_median_weights, measure_products

        return find_median_weights(measure_products(read, origin=0), params.steps)

    def merge(self, chunk: Chunk, params: GeometricMedianParams) -> Tensor:
        """As A with a weighted change."""
        import torch

        first, *others = chunk.tensors
        total = torch.zeros_like(first)
        for other, share in zip(others, chunk.measured[1:], strict=True):
            total.add_(other - first, alpha=share * params.strength)
        return total.add_(first)

    def find_copy(self, params: GeometricMedianParams) -> int | None:
        """A at 0."""
        return None if params.strength else 0
