"""Extract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class ExtractParams(Params, frozen=True):
    """What is taken of B and C."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5
    beta: Annotated[float, weight("Weight β of the formula")] = 0.5
    gamma: Annotated[float, weight("Exponent γ of the formula", 0, 15)] = 1.0


class Extract(Method[ExtractParams]):
    """A + (b·(1−α) + c·α)·(s·(1−β) + (1−s)·β), b = B−A, c = C−A, s = ((1 + cos(b, c)) / 2)^γ.

    The cosine is that of vectors along the last dimension.
    β 0 takes what B and C have in common, β 1 what they differ in. After hako-mikan's supermerger.
    """

    spec = Spec(id="extract", title="Extract", inputs=("A", "B", "C"), grain="vector")

    def merge(self, chunk: Chunk, params: ExtractParams) -> Tensor:
        """The cosine of every vector."""
        import torch

        first, second, third = chunk.tensors
        one, two = second - first, third - first
        cosine = torch.nn.functional.cosine_similarity(one, two, dim=-1).clamp_(-1, 1).unsqueeze_(-1)
        alike = ((cosine + 1) / 2) ** params.gamma
        return first + torch.lerp(one, two, params.alpha) * torch.lerp(alike, 1 - alike, params.beta)
