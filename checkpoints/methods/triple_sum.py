"""Triple sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class TripleSumParams(Params, frozen=True):
    """How much of B and of C."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    beta: Annotated[float, weight("Weight β of the formula")] = 0.5


class TripleSum(Method[TripleSumParams]):
    """A·(1−α−β) + B·α + C·β. Every α and β are allowed."""

    spec = Spec(id="triple_sum", title="Triple sum", inputs=("A", "B", "C"))

    def merge(self, chunk: Chunk, params: TripleSumParams) -> Tensor:
        """As A with two changes, so that three equal models give themselves."""
        first, second, third = chunk.tensors
        return (second - first).mul_(params.alpha).add_(third - first, alpha=params.beta).add_(first)

    def find_copy(self, params: TripleSumParams) -> int | None:
        """One of the three where the weights say so."""
        return {(0.0, 0.0): 0, (1.0, 0.0): 1, (0.0, 1.0): 2}.get((params.alpha, params.beta))
