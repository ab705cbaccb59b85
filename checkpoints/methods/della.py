"""DELLA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params, between
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class DellaParams(Params, frozen=True):
    """What is dropped."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    density: Annotated[float, between(0.01, 1, "Share of the changes that are kept", step=0.01)] = 0.5
    epsilon: Annotated[float, between(0, 1, "Span of the probabilities around the density", step=0.01)] = 0.2
    seed: Annotated[int, between(0, 2**31 - 1, "Seed of what is drawn by chance")] = 0


class Della(Method[DellaParams]):
    """A + Σ m·(X−A)/p·α over all other models X, m 1 with probability p, which grows with the change's rank in its row.

    p runs in even steps from density − ε/2 (the smallest change of a row) to density + ε/2 (the largest), at most 1;
    what would be below 0.01 is 0.01. Deep et al.: DELLA-Merging, 2024. What is drawn depends on seed, key and place.
    """

    spec = Spec(id="della", title="DELLA", more=True, grain="row")

    def merge(self, chunk: Chunk, params: DellaParams) -> Tensor:
        """Rank, drop and rescale."""
        import torch

        from ..arithmetic.chance import draw_uniform

        first, *others = chunk.tensors
        total, width = torch.zeros_like(first), first.shape[1]
        steps = torch.linspace(-0.5, 0.5, width) if width > 1 else torch.zeros(1)
        levels = (params.density + params.epsilon * steps).clamp_(0.01, 1)
        for number, other in enumerate(others):
            change = other - first
            order = change.abs().argsort(dim=1, stable=True)
            kept = torch.empty_like(change).scatter_(1, order, levels.expand_as(change))
            drawn = draw_uniform(f"{params.seed}/{number}/{chunk.key}", chunk.begin, first.numel()).view_as(first)
            total.add_(change.mul_(drawn < kept).div_(kept))
        return total.mul_(params.alpha).add_(first)

    def find_copy(self, params: DellaParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
