"""Self."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...core.params import Params
from ..method import Chunk, Method, Spec, weight

if TYPE_CHECKING:
    from torch import Tensor


class SelfScaleParams(Params, frozen=True):
    """The factor."""

    alpha: Annotated[float, weight("Weight α of the formula")] = 0.5


class SelfScale(Method[SelfScaleParams]):
    """A·α, except for output projections and norms (to_out, proj_out, norm), which stay. Every α is allowed.

    After the mode "self" of hako-mikan's supermerger.
    """

    spec = Spec(id="self", title="Self", inputs=("A",))

    def merge(self, chunk: Chunk, params: SelfScaleParams) -> Tensor:
        """One product."""
        if any(word in chunk.key for word in ("to_out", "proj_out", "norm")):
            return chunk.tensors[0]
        return chunk.tensors[0] * params.alpha

    def find_copy(self, params: SelfScaleParams) -> int | None:
        """A at 1."""
        return 0 if params.alpha == 1 else None
