"""IA3 and GLoRA: changes that are a function of the base weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from .base import (
    Delta,
    Extent,
    count_columns,
    count_rows,
    find_dims_fault,
    find_extent_fault,
    find_rank_fault,
    flatten_factor,
    to_float32,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def _axis_fault(kind: str, count: int, on_input: bool, shape: Sequence[int]) -> str | None:
    """Why a vector does not fit the input or output axis of a weight."""
    if len(shape) < 2:
        return f"{kind} does not fit a weight of shape {list(shape)}"
    axis, due = ("inputs", shape[1]) if on_input else ("outputs", shape[0])
    return None if count == due else f"{kind} has {count} values where {list(shape)} has {due} {axis}"


def _along(vector: Tensor, on_input: bool, base: Tensor) -> Tensor:
    """A vector shaped to multiply the input or output axis of base."""
    shape = [1] * base.ndim
    shape[1 if on_input else 0] = vector.numel()
    return to_float32(vector, base).reshape(shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class IA3(Delta):
    """LyCORIS's IA3: W * weight along the output axis, or the input axis; 0 changes nothing. No alpha."""

    algorithm: ClassVar[str] = "ia3"
    uses_base: ClassVar[bool] = True

    weight: Tensor
    on_input: bool

    def _fault(self, shape: Sequence[int]) -> str | None:
        return _axis_fault("IA3", self.weight.numel(), self.on_input, shape)

    def _change(self, base: Tensor) -> Tensor:
        return base * _along(self.weight, self.on_input, base)


@dataclass(frozen=True, eq=False, kw_only=True)
class PeftIA3(Delta):
    """PEFT's IA3 (2205.05638): W * (factor - 1); factor is absolute, 1 changes nothing, the bias is scaled too.

    factor (O, 1) or (1, I), for convolutions (1, O or I, 1, 1). on_input: feed-forward layers scale their input, and
    then not the bias; None: by the shape of the weight, outputs first.
    """

    algorithm: ClassVar[str] = "peft_ia3"
    uses_base: ClassVar[bool] = True

    factor: Tensor
    on_input: bool | None = None

    @property
    def changes_bias(self) -> bool:
        """Unless it scales inputs."""
        return not self.on_input or self.bias is not None

    def _input_side(self, shape: Sequence[int]) -> bool:
        if self.on_input is not None:
            return self.on_input
        return self.factor.numel() != shape[0] and len(shape) > 1 and self.factor.numel() == shape[1]

    def _fault(self, shape: Sequence[int]) -> str | None:
        return _axis_fault("PEFT's IA3", self.factor.numel(), self._input_side(shape), shape)

    def _change(self, base: Tensor) -> Tensor:
        return base * (_along(self.factor, self._input_side(base.shape), base) - 1)

    def bias_change(self, base: Tensor | None) -> Tensor | None:
        """Base's bias times (factor - 1) when outputs are scaled."""
        given = super().bias_change(base)
        if base is None or self.on_input or self.factor.numel() != base.numel():
            return given
        scaled = to_float32(base).reshape(-1) * (to_float32(self.factor, base).reshape(-1) - 1)
        return scaled if given is None else scaled + given


@dataclass(frozen=True, eq=False, kw_only=True)
class GLoRA(Delta):
    """scale * (W a1 a2 + b1 b2), W contracted over its input axis (2306.07967 as LyCORIS has it).

    new layout: a1 [I, r], a2 [r, I], b1 [O, r], b2 [r, I, k, k], optional core bm [r, r, k, k] with b2 [r, I].
    old layout (LyCORIS 1 and 2): a1 [r, I], a2 [I, r], b1 [r, I, k, k], b2 [O, r], and scale * (W a2 a1 + b2 b1) as
    in their merge; their forward applied scale twice.
    Factors may carry trailing 1x1 axes. scale: alpha / r.
    """

    algorithm: ClassVar[str] = "glora"
    uses_base: ClassVar[bool] = True

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    bm: Tensor | None = None
    scale: float = 1.0
    layout: Literal["new", "old"] = "new"

    @property
    def rank(self) -> int:
        """Inner dimension, by the layout."""
        return count_rows(self._ordered()[1])

    @property
    def extent(self) -> Extent:
        """As the second product shows it."""
        _, _, up, down = self._ordered()
        kernel = tuple(down.shape[2:]) if self.bm is None else tuple(self.bm.shape[2:])
        cols = down.shape[1:].numel() * (1 if self.bm is None else self.bm.shape[2:].numel())
        return Extent(count_rows(up), cols, kernel)

    def _ordered(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The factors as [I, r], [r, I], [O, r], [r, I, k, k]."""
        if self.layout == "new":
            return self.a1, self.a2, self.b1, self.b2
        return self.a2, self.a1, self.b2, self.b1

    def _fault(self, shape: Sequence[int]) -> str | None:
        left, right, up, down = self._ordered()
        for name, factor in (("a1", self.a1), ("a2", self.a2), ("b1", self.b1), ("b2", self.b2)):
            fault = find_dims_fault(name, factor, 2, 3, 4, 5)
            if fault:
                return fault
        inner = [left.shape[1:].numel(), right.shape[0]]
        outer = [up.shape[1:].numel(), down.shape[0]]
        fault = find_rank_fault(*inner) or (find_rank_fault(*outer) if self.bm is None else _core_fault(self.bm, outer))
        fault = fault or find_extent_fault(f"a GLoRA of rank {self.rank}", self.extent, shape)
        if fault is None and {left.shape[0], right.shape[1:].numel()} != {shape[1]}:
            fault = f"a GLoRA for {left.shape[0]} inputs does not fit a weight of shape {list(shape)}"
        return fault

    def _change(self, base: Tensor) -> Tensor:
        left, right, up, down = (flatten_factor(to_float32(factor, base)) for factor in self._ordered())
        if self.bm is not None:
            down = flatten_factor(torch.einsum("pq...,qi->pi...", to_float32(self.bm, base), down))
        inputs = base.reshape(base.shape[0], base.shape[1], count_columns(base.shape) // base.shape[1])
        turned = ((inputs.transpose(1, 2) @ left) @ right).transpose(1, 2)
        return torch.add(turned.reshape(base.shape), (up @ down).reshape(base.shape)).mul_(self.scale)


def _core_fault(core: Tensor, ranks: list[int]) -> str | None:
    fault = find_dims_fault("bm", core, 3, 4, 5)
    return fault or find_rank_fault(core.shape[0], ranks[0]) or find_rank_fault(core.shape[1], ranks[1])
