"""Sigmoid interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, find_end, weight

if TYPE_CHECKING:
    from torch import Tensor


class SigmoidInterpolationParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula", 0, 1)] = 0.5


class SigmoidInterpolation(Method[SigmoidInterpolationParams]):
    """A + (B−A)·α²·(3−2α): a weighted sum whose weight leaves the ends slowly; α from 0 to 1.

    As in the first versions of A1111's merger.
    """

    spec = Spec(id="sigmoid_interpolation", title="Sigmoid interpolation")

    def merge(self, chunk: Chunk, params: SigmoidInterpolationParams) -> Tensor:
        """One interpolation."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, second, params.alpha * params.alpha * (3 - 2 * params.alpha))

    def find_copy(self, params: SigmoidInterpolationParams) -> int | None:
        """A at 0, B at 1."""
        return find_end(params.alpha)
