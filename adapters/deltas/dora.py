"""DoRA: the direction of a changed weight with a learned magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from .base import Delta, Extent, to_float32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_EPS = torch.finfo(torch.float32).eps


@dataclass(frozen=True, eq=False, kw_only=True)
class Dora(Delta):
    """magnitude * V / norm(V) - W with V = W + inner's change (2402.09353).

    The norm is of V, not of W, over everything but the magnitude's axis. magnitude: O or I values in any shape; axis
    "out" (PEFT; LyCORIS since 3.2.0) or "in" (LyCORIS 2.2.0 to 3.1). Strength is linear from W: A1111's meaning and
    ComfyUI's; at 1 LyCORIS and PEFT agree with it, elsewhere LyCORIS starts from V and PEFT scales inside the norm.
    """

    algorithm: ClassVar[str] = "dora"
    uses_base: ClassVar[bool] = True

    inner: Delta
    magnitude: Tensor
    axis: Literal["out", "in"]

    @property
    def rank(self) -> int | None:
        """Of the inner change."""
        return self.inner.rank

    @property
    def extent(self) -> Extent | None:
        """Of the inner change."""
        return self.inner.extent

    def find_flaw(self) -> str | None:
        """The inner change's, or a magnitude that fits no weight of its size."""
        extent, found = self.extent, self.magnitude.numel()
        if (flaw := self.inner.find_flaw()) is not None or extent is None:
            return flaw
        fits = found == extent.rows if self.axis == "out" else found and not extent.cols % found
        size, side = (extent.rows, "outputs") if self.axis == "out" else (extent.cols, "inputs")
        return None if fits else f"a DoRA magnitude has {found} values beside factors for {size} {side}"

    def _fault(self, shape: Sequence[int]) -> str | None:
        fault = self.inner._fault(shape)
        if fault or len(shape) < 2:
            return fault or f"DoRA does not fit a weight of shape {list(shape)}"
        due, found = shape[0 if self.axis == "out" else 1], self.magnitude.numel()
        side = "outputs" if self.axis == "out" else "inputs"
        return None if found == due else f"a DoRA magnitude has {found} values where {list(shape)} has {due} {side}"

    def _change(self, base: Tensor) -> Tensor:
        own = 0 if self.axis == "out" else 1
        changed = base + self.inner._change(base)
        others = [axis for axis in range(base.ndim) if axis != own]
        norm = torch.linalg.vector_norm(changed, dim=others, keepdim=True)
        magnitude = to_float32(self.magnitude, base).reshape(norm.shape)
        return changed.mul_(magnitude / (norm + _EPS)).sub_(base)
