"""TIES."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params, between
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class TiesParams(Params, frozen=True):
    """What is trimmed."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    density: Annotated[float, between(0.01, 1, "Share of the changes that are kept", step=0.01)] = 0.5


class Ties(Method[TiesParams]):
    """A + α·mean of the changes X−A whose sign is elected, over all other models X, element by element.

    Of each X−A only the share `density` of the largest of a tensor counts; the sign of the sum of what is left is
    elected. Yadav et al.: TIES-Merging, 2023.
    """

    spec = Spec(id="ties", title="TIES", more=True)

    def measure(self, read: Read, params: TiesParams) -> list[float]:
        """The least change that counts, for every other model."""
        from ..arithmetic.thresholds import find_thresholds

        return find_thresholds(read, params.density)

    def merge(self, chunk: Chunk, params: TiesParams) -> Tensor:
        """Trim, elect, average."""
        import torch

        first, *others = chunk.tensors
        changes = torch.stack([other - first for other in others])
        least = torch.tensor(chunk.measured).view(-1, *(1,) * first.ndim)
        changes.mul_(changes.abs() >= least)
        agrees = (changes * changes.sum(0)) > 0
        count = agrees.sum(0).clamp_(min=1)
        return changes.mul_(agrees).sum(0).div_(count).mul_(params.alpha).add_(first)

    def find_copy(self, params: TiesParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
