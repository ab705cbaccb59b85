"""DARE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params, between
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class DareParams(Params, frozen=True):
    """What is dropped."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    density: Annotated[float, between(0.01, 1, "Share of the changes that are kept", step=0.01)] = 0.5
    seed: Annotated[int, between(0, 2**31 - 1, "Seed of what is drawn by chance")] = 0


class Dare(Method[DareParams]):
    """A + Σ m·(X−A)/p·α over all other models X, m 1 with probability p (density), else 0, drawn from the seed.

    Yu et al.: Language Models are Super Mario, 2023. What is drawn depends on seed, key and place alone.
    """

    spec = Spec(id="dare", title="DARE", more=True)

    def merge(self, chunk: Chunk, params: DareParams) -> Tensor:
        """Drop and rescale."""
        import torch

        from ..arithmetic.chance import draw_uniform

        first, *others = chunk.tensors
        total = torch.zeros_like(first)
        for number, other in enumerate(others):
            drawn = draw_uniform(f"{params.seed}/{number}/{chunk.key}", chunk.begin, first.numel())
            total.add_((other - first).mul_(drawn < params.density))
        return total.mul_(params.alpha / params.density).add_(first)

    def find_copy(self, params: DareParams) -> int | None:
        """A at 0."""
        return None if params.alpha else 0
