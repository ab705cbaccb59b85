"""Sum twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class SumTwiceParams(Params, frozen=True):
    """How much of B, then of C."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    beta: Annotated[float, weight("Weight β of the formula")] = 0.5


class SumTwice(Method[SumTwiceParams]):
    """(A·(1−α) + B·α)·(1−β) + C·β. Every α and β are allowed."""

    spec = Spec(id="sum_twice", title="Sum twice", inputs=("A", "B", "C"))

    def merge(self, chunk: Chunk, params: SumTwiceParams) -> Tensor:
        """Two interpolations."""
        import torch

        first, second, third = chunk.tensors
        return torch.lerp(torch.lerp(first, second, params.alpha), third, params.beta)

    def find_copy(self, params: SumTwiceParams) -> int | None:
        """C at β 1, else as a weighted sum at β 0."""
        if params.beta == 1:
            return 2
        return None if params.beta else {0.0: 0, 1.0: 1}.get(params.alpha)
