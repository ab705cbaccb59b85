"""Cosine B."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class CosineBParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class CosineB(Method[CosineBParams]):
    """A·(1−k) + B·k, k = 1 − clip(s − α, 0, 1), s the mean of the cosine by column and that of the whole tensor.

    Columns run along the first dimension.
    """

    spec = Spec(id="cosine_b", title="Cosine B", grain="row")

    def measure(self, read: Read, params: CosineBParams) -> Tensor:
        """Similarity of each column and of the whole."""
        from ..arithmetic.similarity import measure_columns

        return measure_columns(read, with_whole=True)

    def merge(self, chunk: Chunk, params: CosineBParams) -> Tensor:
        """Interpolate every column by its own weight."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, second, 1 - (chunk.measured - params.alpha).clamp(0, 1))
