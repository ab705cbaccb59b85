"""No interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.params import Params
from ..method import Chunk, Method, Spec

if TYPE_CHECKING:
    from torch import Tensor


class NoInterpolation(Method[Params]):
    """A: nothing is merged. To convert, prune or bake a VAE."""

    spec = Spec(id="no_interpolation", title="No interpolation", inputs=("A",))

    def merge(self, chunk: Chunk, params: Params) -> Tensor:
        """A itself."""
        return chunk.tensors[0]

    def find_copy(self, params: Params) -> int | None:
        """Always A."""
        return 0
