"""Add difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class AddDifferenceParams(Params, frozen=True):
    """How much of the difference."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class AddDifference(Method[AddDifferenceParams]):
    """A + (B−C)·α: what B learned beyond its ancestor C, put into A.

    Every α is allowed.
    """

    spec = Spec(id="add_difference", title="Add difference", inputs=("A", "B", "C"))

    def merge(self, chunk: Chunk, params: AddDifferenceParams) -> Tensor:
        """One pass."""
        first, second, third = chunk.tensors
        return (second - third).mul_(params.alpha).add_(first)

    def find_copy(self, params: AddDifferenceParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0

    def merge_as_a1111(self, tensors: tuple[Tensor, ...], params: AddDifferenceParams) -> Tensor:
        """The difference is rounded to the file's dtype before it is added."""
        first, second, third = tensors
        return first + params.alpha * (second - third)
