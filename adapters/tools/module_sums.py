"""What each module receives from several adapters with strengths, by kind, and the sums of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...core.errors import BadWeights
from ..deltas.base import to_float32
from ..deltas.dense import BiasOnly, Dense, Norm, Sum
from ..deltas.lowrank import LowRank
from ..modules.parts import UNET, find_part
from .export_names import find_kernel
from .save import check_size, compute_dense_change, find_weight_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta


class WeightedDelta(NamedTuple):
    """A delta and the strength it counts with."""

    delta: Delta
    strength: float

    def dense(self, name: str) -> Tensor:
        """Its change as one tensor, for the module of that name."""
        return self.strength * compute_dense_change(name, self.delta)


@dataclass
class ModuleSum:
    """What one module receives: products of two factors, differences, norms, biases apart, and all other kinds."""

    name: str
    products: list[WeightedDelta] = field(default_factory=list["WeightedDelta"])
    others: list[WeightedDelta] = field(default_factory=list["WeightedDelta"])
    diffs: list[WeightedDelta] = field(default_factory=list["WeightedDelta"])
    norms: list[WeightedDelta] = field(default_factory=list["WeightedDelta"])
    biases: list[WeightedDelta] = field(default_factory=list["WeightedDelta"])

    def add(self, delta: Delta, strength: float) -> None:
        """Sort a delta in, its bias apart."""
        weighted = WeightedDelta(delta, strength)
        if delta.bias is not None:
            self.biases.append(weighted)
        if isinstance(delta, Sum):
            for part in delta.terms:
                self.add(part, strength)
        elif not isinstance(delta, BiasOnly):
            kinds: dict[type[Delta], list[WeightedDelta]] = {
                LowRank: self.products,
                Dense: self.diffs,
                Norm: self.norms,
            }
            kinds.get(type(delta), self.others).append(weighted)

    def factors(self) -> tuple[Tensor, Tensor]:
        """Factors of all products side by side, scales and strengths in the left ones."""
        pairs: list[tuple[Tensor, Tensor]] = []
        for delta, strength in self.products:
            assert isinstance(delta, LowRank)
            if delta.mid is not None:
                check_size(self.name, delta.mid.shape[0], delta.extent.cols)
            up, down = delta.factors()
            pairs.append((up * strength if strength != 1 else up, down))
        sizes = {(up.shape[0], down.shape[1]) for up, down in pairs}
        if len(sizes) > 1:
            raise self._misfit(sorted(sizes))
        return torch.cat([up for up, _ in pairs], 1), torch.cat([down for _, down in pairs])

    def kernel(self) -> tuple[int, ...]:
        """Kernel of a convolution, from the factors or the architecture."""
        kernels = (tuple(extent.kernel) for delta, _ in self.products if (extent := delta.extent) is not None)
        return next((kernel for kernel in kernels if kernel), find_kernel(self.name))

    def dense(self) -> Tensor:
        """Products, differences and other kinds as one change. Raises BadWeights before a too large one is formed."""
        self.find_shape()
        return self._sum([one.dense(self.name) for one in (*self.products, *self.diffs, *self.others)])

    def find_shape(self) -> tuple[int, ...]:
        """Shape of the weight that all were made for (trailing axes of one aside). Raises BadWeights if they differ."""
        parts = (*self.products, *self.diffs, *self.others)
        shapes = [find_weight_shape(self.name, one.delta) for one in parts]
        if len({(len(shape), math.prod(shape)) for shape in shapes}) > 1:
            raise self._misfit([list(shape) for shape in shapes])
        return shapes[0]

    def diff(self) -> Tensor:
        """Sum of the differences."""
        return self._sum([one.dense(self.name) for one in self.diffs])

    def norm(self) -> Tensor:
        """Sum of the changes of a norm's weight."""
        changes: list[Tensor] = []
        for delta, strength in self.norms:
            assert isinstance(delta, Norm)
            changes.append(strength * to_float32(delta.diff.reshape(-1)))
        return self._sum(changes)

    def bias(self) -> Tensor:
        """Sum of the changes of the bias."""
        changes: list[Tensor] = []
        for delta, strength in self.biases:
            change = delta.bias_change(None)
            assert change is not None
            changes.append(change * strength)
        return self._sum(changes)

    def _sum(self, changes: list[Tensor]) -> Tensor:
        """Sum of changes of one weight, whose shapes may differ by trailing axes of one."""
        if len({(len(change), change.numel()) for change in changes}) > 1:
            raise self._misfit([list(change.shape) for change in changes])
        return torch.stack([change.reshape(changes[0].shape) for change in changes]).sum(0)

    def _misfit(self, shapes: Any) -> BadWeights:
        what = f"the sources were made for different weights: {shapes}"
        return BadWeights(what, where=self.name, fix="use one base model")


def sum_modules(sources: Sequence[tuple[Adapter, float, float]]) -> dict[str, ModuleSum]:
    """Module → its sum, of (adapter, UNet strength, text encoder strength). Raises BadWeights if there is none."""
    sums: dict[str, ModuleSum] = {}
    for adapter, unet, encoder in sources:
        for name, delta in adapter.modules.items():
            strength = unet if find_part(name) == UNET else encoder
            if strength:
                sums.setdefault(name, ModuleSum(name)).add(delta, strength)
    if not sums:
        raise BadWeights("nothing is left to write: no modules, or strengths of 0 only")
    return sums
