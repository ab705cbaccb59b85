"""Model stock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class ModelStockParams(Params, frozen=True):
    """How much of the result."""

    strength: Annotated[float, weight("Share of the result that goes in; 0 gives A", 0, 1)] = 1.0


class ModelStock(Method[ModelStockParams]):
    """A + (mean(B, C, ...) − A)·t·strength, t = N·c / (1 + (N−1)·c), c the mean cosine of all pairs of changes.

    The changes are B−A, C−A, ..., tensor by tensor.
    A is the model that the N others were trained from. Jang, Yun, Han: Model Stock, 2024.
    """

    spec = Spec(id="model_stock", title="Model stock", weight="strength", inputs=("A", "B", "C"), more=True)

    def measure(self, read: Read, params: ModelStockParams) -> float:
        """The ratio t, 0 where the changes have no common direction."""
        from ..arithmetic.similarity import find_mean_cosine, measure_products

        products = measure_products(read, origin=0)
        count, cosine = len(products) - 1, find_mean_cosine([row[1:] for row in products[1:]])
        below = 1 + (count - 1) * cosine
        return max(0.0, count * cosine / below) if below > 0 else 0.0

    def merge(self, chunk: Chunk, params: ModelStockParams) -> Tensor:
        """Towards the mean."""
        first, *others = chunk.tensors
        total = others[0] - first
        for other in others[1:]:
            total.add_(other - first)
        return total.mul_(chunk.measured * params.strength / len(others)).add_(first)

    def find_copy(self, params: ModelStockParams) -> int | None:
        """A at 0."""
        return None if params.strength else 0
