"""Spherical interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, find_end, weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..method import Read


class SlerpParams(Params, frozen=True):
    """How much of B."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class Slerp(Method[SlerpParams]):
    """(A/|A|·sin((1−α)·ω) + B/|B|·sin(α·ω)) / sin ω · (|A|·(1−α) + |B|·α), ω the angle of A and B, tensor by tensor.

    Tensors of nearly one direction, or with norm 0, are interpolated in a line.
    """

    spec = Spec(id="slerp", title="Spherical interpolation")

    def measure(self, read: Read, params: SlerpParams) -> tuple[float, float]:
        """Factors of A and B."""
        import math

        from ..arithmetic.similarity import measure_products

        (aa, ab), (_, bb) = measure_products(read)
        first, second = math.sqrt(aa), math.sqrt(bb)
        cosine = max(-1.0, min(1.0, ab / (first * second))) if first and second else 1.0
        if 1 - abs(cosine) < 1e-9:
            return 1 - params.alpha, params.alpha
        angle, length = math.acos(cosine), first * (1 - params.alpha) + second * params.alpha
        one, two = (math.sin(part * angle) / math.sin(angle) for part in (1 - params.alpha, params.alpha))
        return one * length / first, two * length / second

    def merge(self, chunk: Chunk, params: SlerpParams) -> Tensor:
        """The two factors."""
        first, second = chunk.tensors
        return (first * chunk.measured[0]).add_(second, alpha=chunk.measured[1])

    def find_copy(self, params: SlerpParams) -> int | None:
        """A at 0, B at 1."""
        return find_end(params.alpha)
