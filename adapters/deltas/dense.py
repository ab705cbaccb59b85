"""Changes stored whole: differences, norms, biases, replaced weights, and sums of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .base import Delta, Extent, count_rows, find_dims_fault, find_extent_fault, to_float32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Delta):
    """scale * diff, diff in the weight's shape (LyCORIS "full")."""

    algorithm: ClassVar[str] = "full"

    diff: Tensor
    scale: float = 1.0

    @property
    def extent(self) -> Extent:
        """The stored shape."""
        shape = self.diff.shape
        return Extent(count_rows(self.diff), shape[1:].numel(), tuple(shape[2:]))

    def _fault(self, shape: Sequence[int]) -> str | None:
        if self.diff.shape == torch.Size(shape):
            return None
        return find_dims_fault("a difference", self.diff, 1, 2, 3, 4, 5) or find_extent_fault(
            "a difference", self.extent, shape
        )

    def _change(self, base: Tensor) -> Tensor:
        diff = to_float32(self.diff, base).reshape(base.shape)
        return diff if self.scale == 1 else diff * self.scale


@dataclass(frozen=True, eq=False, kw_only=True)
class Norm(Delta):
    """A difference [C] of a GroupNorm's or LayerNorm's weight (LyCORIS w_norm; b_norm is the bias)."""

    algorithm: ClassVar[str] = "norm"

    diff: Tensor

    def _fault(self, shape: Sequence[int]) -> str | None:
        if self.diff.numel() == shape[0] and len(shape) == 1:
            return None
        return f"a norm of {self.diff.numel()} channels does not fit a weight of shape {list(shape)}"

    def _change(self, base: Tensor) -> Tensor:
        return to_float32(self.diff, base).reshape(base.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class BiasOnly(Delta):
    """Changes a bias and leaves the weight alone."""

    algorithm: ClassVar[str] = "bias"
    changes_weight: ClassVar[bool] = False

    def _fault(self, shape: Sequence[int]) -> str | None:
        if self.bias is None:
            return "a bias is due and missing"
        if self.bias.numel() != shape[0]:
            return f"a bias of {self.bias.numel()} does not fit a weight of shape {list(shape)}"
        return None

    def _change(self, base: Tensor) -> Tensor:
        return torch.zeros_like(base)


@dataclass(frozen=True, eq=False, kw_only=True)
class SetWeight(Delta):
    """Replaces the weight: W + strength * (weight - W), exactly weight at strength 1 (ComfyUI ignores the strength)."""

    algorithm: ClassVar[str] = "set_weight"
    uses_base: ClassVar[bool] = True

    weight: Tensor

    def _fault(self, shape: Sequence[int]) -> str | None:
        if self.weight.shape == torch.Size(shape):
            return None
        found = self.weight.shape
        extent = Extent(count_rows(self.weight), found[1:].numel(), tuple(found[2:]))
        return find_dims_fault("a weight", self.weight, 1, 2, 3, 4, 5) or find_extent_fault("a weight", extent, shape)

    def _change(self, base: Tensor) -> Tensor:
        return to_float32(self.weight, base).reshape(base.shape) - base

    def _added(self, base: Tensor, strength: float) -> Tensor:
        if strength == 1 and self._native(base.shape) == tuple(base.shape):
            return to_float32(self.weight, base).reshape(base.shape).clone()
        return super()._added(base, strength)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(Delta):
    """Several changes of one weight in one module (factors beside diff or A1111's weight-shaped bias)."""

    algorithm: ClassVar[str] = "several"
    uses_base: ClassVar[bool] = True

    terms: tuple[Delta, ...]

    @property
    def rank(self) -> int | None:
        """Of the first term that has one."""
        return next((term.rank for term in self.terms if term.rank is not None), None)

    @property
    def extent(self) -> Extent | None:
        """Of the first term."""
        return self.terms[0].extent

    def find_flaw(self) -> str | None:
        """That of the first term that has one."""
        return next((flaw for term in self.terms if (flaw := term.find_flaw())), None)

    def _fault(self, shape: Sequence[int]) -> str | None:
        return next((fault for term in self.terms if (fault := term._fault(shape))), None)

    def _change(self, base: Tensor) -> Tensor:
        total = torch.zeros_like(base)
        for term in self.terms:
            total.add_(term.change(base))
        return total
