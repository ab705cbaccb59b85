"""Train difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class TrainDifferenceParams(Params, frozen=True):
    """How much of the difference."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class TrainDifference(Method[TrainDifferenceParams]):
    """A + sign(B−C)·|B−C|·s·1.8·α, s = |B−A| / (|B−A| + |B−C|): B's training beyond C as if it were done on A.

    Where both distances are 0 nothing changes. Every α is allowed. After hako-mikan's supermerger.
    """

    spec = Spec(id="train_difference", title="Train difference", inputs=("A", "B", "C"))

    def merge(self, chunk: Chunk, params: TrainDifferenceParams) -> Tensor:
        """Element by element."""
        first, second, third = chunk.tensors
        change, distance = second - third, (second - first).abs()
        share = (distance / (distance + change.abs())).nan_to_num(0.0)
        return first + change * share * (1.8 * params.alpha)

    def find_copy(self, params: TrainDifferenceParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
