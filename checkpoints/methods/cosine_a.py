"""Cosine A."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class CosineAParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class CosineA(Method[CosineAParams]):
    """A·(1−k) + B·k, k = 1 − clip(s − α, 0, 1), s the cosine of A and B by column: where they agree A is kept.

    Columns run along the first dimension.
    """

    spec = Spec(id="cosine_a", title="Cosine A", grain="row")

    def measure(self, read: Read, params: CosineAParams) -> Tensor:
        """Similarity of each column and of the whole."""
        from ..arithmetic.similarity import measure_columns

        return measure_columns(read, with_whole=False)

    def merge(self, chunk: Chunk, params: CosineAParams) -> Tensor:
        """Interpolate every column by its own weight."""
        import torch

        first, second = chunk.tensors
        return torch.lerp(first, second, 1 - (chunk.measured - params.alpha).clamp(0, 1))
