"""Perpendicular add-difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class PerpendicularAddDifferenceParams(Params, frozen=True):
    """How much of the difference."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class PerpendicularAddDifference(Method[PerpendicularAddDifferenceParams]):
    """A + (d − a·<d, a>/<a, a>)·α, d = B−C, a = A−C: of B's change, what A does not have yet, tensor by tensor.

    Every α is allowed.
    """

    spec = Spec(id="perpendicular_add_difference", title="Perpendicular add-difference", inputs=("A", "B", "C"))

    def measure(self, read: Read, params: PerpendicularAddDifferenceParams) -> float:
        """Share of a in d."""
        from ..arithmetic.similarity import measure_products

        products = measure_products(read, origin=2)
        return products[0][1] / products[0][0] if products[0][0] else 0.0

    def merge(self, chunk: Chunk, params: PerpendicularAddDifferenceParams) -> Tensor:
        """Subtract that share."""
        first, second, third = chunk.tensors
        change = (second - third).sub_(first - third, alpha=chunk.measured)
        return change.mul_(params.alpha).add_(first)

    def find_copy(self, params: PerpendicularAddDifferenceParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
