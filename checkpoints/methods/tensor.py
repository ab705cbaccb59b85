"""Tensor merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class TensorParams(Params, frozen=True):
    """Which rows are B's."""

    alpha: Annotated[float, weight("Weight α of the formula", 0, 1)] = 0.5
    beta: Annotated[float, weight("Weight β of the formula", 0, 1)] = 0.0


class TensorMerge(Method[TensorParams]):
    """Of n rows of the first dimension n·β to n·(α+β) are B's, the others A's; past the last it starts again."""

    spec = Spec(id="tensor", title="Tensor merge", grain="row")

    def merge(self, chunk: Chunk, params: TensorParams) -> Tensor:
        """By the number of the row."""
        import torch

        first, second = chunk.tensors
        count, length = chunk.shape[0], first.shape[1]
        begin, end = int(count * params.beta), int(count * (params.alpha + params.beta))
        rows = torch.arange(len(first)) + chunk.begin // max(1, length)
        is_second = ((rows >= begin) & (rows < end)) | (rows < end - count)
        return torch.where(is_second.unsqueeze(1), second, first)
