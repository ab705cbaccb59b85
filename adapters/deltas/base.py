"""The contract of every delta, and the shape test that all of them share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch

from ...core.errors import BadWeights
from ..modules.architectures import ARCHITECTURES, CONTEXT_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MAX_RANK = 2**14
"""No trained or merged adapter comes near this; more is a trap or a damaged file."""
_LATENT, _MOST_CHANNELS = 4, 32
"""Channels of a latent picture; the most that a conv_in has (inpainting 9, depth 5, upscaler 7, pix2pix 8, ...)."""
_TEXT_WIDTHS = {**{width: ARCHITECTURES[name].title for width, name in CONTEXT_WIDTHS.items()}, 4096: "SD3 or Flux"}


class Extent(NamedTuple):
    """The weight a delta was made for: rows O, columns I*k*k, and kernel (k, k) where the factors show it, else ()."""

    rows: int
    cols: int
    kernel: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Delta(ABC):
    """A change of one weight, linear in its strength: W' = W + strength * change(W).

    bias: what is added to the layer's bias at strength 1, [O], or None. Formulas and their sources stand with the
    subclasses; strength is linear from the base for every kind (A1111's and ComfyUI's meaning for DoRA).
    """

    algorithm: ClassVar[str]
    uses_base: ClassVar[bool] = False
    """Whether the change depends on the base weight (DoRA, OFT, BOFT, GLoRA, IA3, replaced weights)."""
    changes_weight: ClassVar[bool] = True
    """False where only a bias is changed."""

    bias: Tensor | None = None

    @property
    def rank(self) -> int | None:
        """Inner dimension, or None where there is none."""
        return None

    @property
    def changes_bias(self) -> bool:
        """Whether apply_bias may return something else than it was given."""
        return self.bias is not None

    @property
    def extent(self) -> Extent | None:
        """The weight this was made for, or None where the factors do not show it."""
        return None

    @abstractmethod
    def _change(self, base: Tensor) -> Tensor:
        """The change of a base whose shape was checked: float32 in base's shape; may alias a stored tensor."""

    @abstractmethod
    def _fault(self, shape: Sequence[int]) -> str | None:
        """Why this does not fit a weight of that shape, or None when it does; forms no product."""

    def check(self, shape: Sequence[int]) -> None:
        """Raise BadWeights when this does not fit a weight of that shape; forms no product."""
        self._native(shape)

    def find_flaw(self) -> str | None:
        """Why its tensors contradict each other, whatever weight they meet; None where they do not."""
        extent = self.extent
        if extent is None:
            return None
        return self._fault((extent.rows, extent.cols // max(math.prod(extent.kernel), 1), *extent.kernel))

    def explain_part(self, shape: Sequence[int]) -> str | None:
        """What of a weight of that shape stays as it is, where this fits only its latent channels; else None."""
        native = self._native(shape)
        if native == tuple(shape):
            return None
        return f"made for {native[1]} input channels: the other {shape[1] - native[1]} of {shape[1]} stay as they are"

    def change(self, base: Tensor) -> Tensor:
        """The change at strength 1: float32, in base's shape. base is float32 and is not written."""
        native = self._native(base.shape)
        if native == tuple(base.shape):
            return self._change(base)
        padded = torch.zeros_like(base)
        padded[:, : native[1]] = self._change(base[:, : native[1]])
        return padded

    def apply(self, base: Tensor, strength: float = 1.0) -> Tensor:
        """The new weight in base's dtype and on its device; base is untouched. Raises BadWeights on a misfit."""
        self.check(base.shape)
        if strength == 0:
            return base.detach().clone()
        return self._added(base.detach().to(torch.float32), strength).to(base.dtype)

    def add_to(self, total: Tensor, base: Tensor, strength: float = 1.0) -> None:
        """Add strength times the change of base to total in place, without forming what can be avoided.

        Both float32 of one shape, not the same memory. May differ from change() in the last bit.
        """
        total.add_(self.change(base), alpha=strength)

    def bias_change(self, base: Tensor | None) -> Tensor | None:
        """What is added to the layer's bias at strength 1, float32 [O], or None. base: the bias before, if any."""
        if self.bias is None:
            return None
        rows = None if base is None else base.numel()
        if rows is not None and rows != self.bias.numel():
            raise BadWeights(f"a bias of {self.bias.numel()} does not fit one of {rows}", fix="check the base model")
        return to_float32(self.bias, base).reshape(-1)

    def apply_bias(self, base: Tensor | None, strength: float = 1.0) -> Tensor | None:
        """The new bias; a layer without one gets one when the adapter brings it (as A1111 does)."""
        change = self.bias_change(base)
        if change is None:
            return base
        if base is None:
            return change * strength
        if strength == 0:
            return base.detach().clone()
        return torch.add(to_float32(base), change.reshape(base.shape), alpha=strength).to(base.dtype)

    def _added(self, base: Tensor, strength: float) -> Tensor:
        """Base plus strength times the change, float32, newly allocated; the shape was checked."""
        return torch.add(base, self.change(base), alpha=strength)

    def _native(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The part of a weight that this changes: its whole shape, or the latent's channels of a wider conv_in."""
        whole = tuple(shape)
        if not whole or 0 in whole:
            raise BadWeights(f"no adapter fits a weight of shape {list(whole)}", fix="check the base model")
        fault = self._fault(whole)
        if fault is None:
            return whole
        if len(whole) == 4 and _LATENT < whole[1] <= _MOST_CHANNELS:
            latent = (whole[0], _LATENT, *whole[2:])
            if self._fault(latent) is None:
                return latent
        place = "" if str(list(whole)) in fault else f" (the weight has shape {list(whole)})"
        raise BadWeights(fault + place, fix="use it with the base model it was trained for")


def to_float32(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """The tensor as float32 without gradient, on like's device; the tensor itself where nothing is to be done."""
    return tensor.detach().to(device=tensor.device if like is None else like.device, dtype=torch.float32)


def flatten_factor(tensor: Tensor) -> Tensor:
    """A factor as a matrix: everything after the first axis in one."""
    return tensor.reshape(tensor.shape[0], math.prod(tensor.shape[1:]))


def count_rows(tensor: Tensor) -> int:
    """Length of the first axis, 0 for a single value."""
    return tensor.shape[0] if tensor.ndim else 0


def count_columns(shape: Sequence[int]) -> int:
    """Inputs times kernel of a weight's shape."""
    return math.prod(shape[1:])


def compute_scale(alpha: float | None, rank: int, *, stabilised: bool = False) -> float:
    """The factor of a delta: alpha / rank, 1 without alpha; stabilised (rsLoRA, 2312.03732): alpha / sqrt(rank)."""
    if alpha is None:
        return 1.0
    return alpha / (math.sqrt(rank) if stabilised else rank)


def find_rank_fault(*ranks: int) -> str | None:
    """Why inner dimensions that must agree do not do."""
    if len(set(ranks)) > 1:
        return f"its factors disagree about the rank: {sorted(set(ranks))}"
    if not 0 < ranks[0] <= MAX_RANK:
        return f"its rank of {ranks[0]} is outside 1 to {MAX_RANK}"
    return None


def find_extent_fault(kind: str, extent: Extent, shape: Sequence[int]) -> str | None:
    """Why factors made for one weight do not fit another; a 1x1 convolution and a linear layer are the same."""
    if len(shape) < 2:
        return f"{kind} for {_size(extent)} does not fit a weight of shape {list(shape)}"
    kernel = tuple(shape[2:])
    same = extent.rows == shape[0] and extent.cols == count_columns(shape)
    if same and (not extent.kernel or _ones(extent.kernel) == _ones(kernel)):
        return None
    return f"{kind} for {_size(extent)} does not fit a weight of shape {list(shape)}{_guess(extent, shape)}"


def find_dims_fault(name: str, tensor: Tensor, *counts: int) -> str | None:
    """Why a tensor has the wrong number of axes, or an empty one."""
    if tensor.ndim not in counts or 0 in tensor.shape:
        due = " or ".join(str(n) for n in counts)
        return f"{name} has shape {list(tensor.shape)} where {due} axes are expected"
    return None


def _ones(kernel: tuple[int, ...]) -> tuple[int, ...]:
    return () if math.prod(kernel) == 1 else kernel


def _size(extent: Extent) -> str:
    if math.prod(extent.kernel) == 1:
        return f"[{extent.rows}, {extent.cols}]"
    return str([extent.rows, extent.cols // math.prod(extent.kernel), *extent.kernel])


def _guess(extent: Extent, shape: Sequence[int]) -> str:
    """What a misfit looks like."""
    rows, cols = shape[0], count_columns(shape)
    if (extent.rows, extent.cols) == (cols, rows):
        return "; it looks transposed"
    trained_on, here = _TEXT_WIDTHS.get(extent.cols), _TEXT_WIDTHS.get(cols)
    if extent.rows == rows and trained_on and here:
        return f"; it looks made for {trained_on}, and the weight looks like {here}"
    if extent.rows == rows and extent.kernel and _ones(extent.kernel) != _ones(tuple(shape[2:])):
        return "; the kernels differ"
    return "; it looks made for another architecture or layer"
