"""Weights that files store as something else than the weight: codes with a scale are read and written, other formats
are refused by name.

Facts: ComfyUI (`scaled_fp8`, `scale_weight`; `comfy_quant` and `_quantization_metadata` with `weight_scale`), DeepSeek
and vLLM (`weight_scale_inv`, which multiplies too), bitsandbytes (`SCB`; NF4 as packed bytes), read in source or in
documents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from .float8 import FLOAT8, check_reach
from .quantised_names import (
    BY_ROWS,
    FORMAT_TEXT,
    HARMLESS,
    PLAIN_FORMATS,
    SCALES,
    WIDTH_NAMES,
    find_format,
    is_suspect,
    list_companions,
    name_packing,
    read_formats,
    read_layer_format,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    Read = Callable[[str], Tensor]

PLAIN = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_FIX = "use the model before it was quantised, in float16, bfloat16 or fp8 with a scale"


@dataclass(frozen=True)
class Storage:
    """How one weight is stored.

    dtype: of the stored tensor. scale: key of what the codes are multiplied with, None for a plain weight. factor: what
    the scale is multiplied with besides. blocks: how many rows, columns, … share one entry of the scale.
    """

    dtype: torch.dtype
    scale: str | None = None
    factor: float = 1.0
    blocks: tuple[int, ...] = ()

    @property
    def is_coarse(self) -> bool:
        """Whether eight bits hold a value, so that rounding is worth a word."""
        return self.dtype in FLOAT8 or self.dtype == torch.int8

    def decode(self, stored: Tensor, scale: Tensor | None, into: Tensor | None = None) -> Tensor:
        """The weight itself, float32. into: a tensor to write it to, of its shape."""
        value = stored.detach().to(torch.float32, copy=True) if into is None else into.copy_(stored.detach())
        return value if scale is None else value.mul_(self._spread(scale.to(torch.float32) * self.factor, stored.shape))

    def encode(self, value: Tensor, scale: Tensor | None, space: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Codes and scale for a float32 weight; the scale stays as it is where its codes reach, and grows elsewhere.

        space: a float32 tensor of value's shape that is overwritten.
        """
        if scale is None:
            if self.dtype in FLOAT8:
                check_reach(value, self.dtype)
            return value.to(self.dtype), None
        grown = self.grow(value, scale)
        divisor = self._spread(grown.to(torch.float32) * self.factor, value.shape)
        low, high = self._limits
        codes = torch.div(value, divisor, out=space).masked_fill_(divisor == 0, 0).clamp_(-low, high)
        return (codes.round_() if self.dtype == torch.int8 else codes).to(self.dtype), grown

    @property
    def _limits(self) -> tuple[float, float]:
        """Size of the lowest and the highest code."""
        most = float(torch.iinfo(torch.int8).max if self.dtype == torch.int8 else torch.finfo(self.dtype).max)
        return most + (self.dtype == torch.int8), most

    def grow(self, value: Tensor, scale: Tensor) -> Tensor:
        """The scale, larger where the largest value of its block would not fit."""
        low, high = self._limits
        grid = scale.reshape(self.grid(value.shape)) if scale.numel() > 1 else scale.reshape(())
        if scale.numel() > 1:
            largest = _find_block_maxima(torch.where(value < 0, -value / low, value / high), self.blocks)
        else:
            least_value, most_value = torch.aminmax(value)
            largest = torch.maximum(-least_value / low, most_value / high)
        needed = (largest / self.factor).to(torch.float32)
        least = torch.finfo(scale.dtype).eps
        grown = (needed * (1 + least)).to(scale.dtype)  # so that rounding the scale down does not cut the value
        return torch.where(needed <= grid.to(torch.float32) * (1 + 4 * least), grid, grown).reshape(scale.shape)

    def grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the scale of a weight."""
        return tuple(-(-size // block) for size, block in zip(shape, self.blocks, strict=True))

    def _spread(self, scale: Tensor, shape: Sequence[int]) -> Tensor:
        """A scale as wide as the weight, or of one entry."""
        if scale.numel() == 1:
            return scale.reshape(())
        grid = scale.reshape(self.grid(shape))
        for axis, (size, block) in enumerate(zip(shape, self.blocks, strict=True)):
            if grid.shape[axis] > 1 and block > 1:
                grid = grid.repeat_interleave(block, axis).narrow(axis, 0, size)
        return grid


def _find_block_maxima(value: Tensor, blocks: Sequence[int]) -> Tensor:
    for axis, block in enumerate(blocks):
        count, rest = divmod(value.shape[axis], block)
        if rest:
            count += 1
            wide = list(value.shape)
            wide[axis] = count * block - value.shape[axis]
            value = torch.cat([value, value.new_zeros(wide)], axis)
        value = value.unflatten(axis, (count, block)).amax(axis + 1)
    return value


class StorageIndex:
    """How the weights of a state dict or a file are stored, by what stands beside them.

    keys: all names. metadata: of the file's header. read: a tensor's content by its name.
    """

    def __init__(self, keys: Iterable[str], metadata: Mapping[str, str], read: Read) -> None:
        self._companions = list_companions(keys)
        self._formats, self._read = read_formats(metadata), read

    def find(self, key: str, dtype: torch.dtype, shape: Sequence[int]) -> Storage:
        """How the tensor of that name is stored. Raises BadWeights for what cannot be computed with, by name."""
        beside = self._companions.get(key, {})
        if dtype not in PLAIN or "" not in self._formats:
            self._check_format(key, beside)
        scales = [name for name in beside if name in SCALES]
        if dtype in PLAIN:
            self._check_plain(key, beside)
            return Storage(dtype)
        if packing := name_packing(beside):
            raise _refuse(key, f"is stored as {packing}")
        if dtype not in FLOAT8 and dtype != torch.int8:
            raise _refuse(key, f"holds {_spell(dtype)}, which are no numbers that a change can be added to")
        if unknown := [name for name in beside if name not in HARMLESS and name not in SCALES and name != FORMAT_TEXT]:
            raise _refuse(
                key, f"is stored as {_spell(dtype)} with {unknown[0]!r} beside it, whose meaning is not known"
            )
        if len(scales) > 1:
            raise _refuse(key, f"has several scales beside it: {', '.join(sorted(scales))}")
        if not scales:
            if dtype == torch.int8:
                raise _refuse(key, "holds int8 without a scale, which are no numbers that a change can be added to")
            return Storage(dtype)
        return self._find_scaled(key, dtype, tuple(shape), scales[0], beside[scales[0]])

    def companions(self, key: str) -> list[str]:
        """Keys that belong to the stored form of a weight and not to the weight itself."""
        return [
            full for name, full in self._companions.get(key, {}).items() if name in {*SCALES, *HARMLESS, FORMAT_TEXT}
        ]

    def _check_format(self, key: str, beside: Mapping[str, str]) -> None:
        if FORMAT_TEXT in beside:
            named = read_layer_format(self._read(beside[FORMAT_TEXT]))
        else:
            named = find_format(self._formats, key.removesuffix(".weight")) if self._formats else None
        if named is not None and named not in PLAIN_FORMATS:
            raise _refuse(key, f"is stored as {named}")
        if "weight_format" in beside and bool(self._read(beside["weight_format"]).any()):
            raise _refuse(key, "is stored as bitsandbytes' int8 in the layout of one kind of GPU")

    def _check_plain(self, key: str, beside: Mapping[str, str]) -> None:
        for name, full in beside.items():
            if name in SCALES:
                if not bool((self._read(full).to(torch.float32) == 1).all()):
                    raise _refuse(
                        key, f"is stored in full with a scale beside it ({name}), and which counts is not known"
                    )
            elif is_suspect(name):
                raise _refuse(key, f"has {name!r} beside it, whose meaning is not known")

    def _find_scaled(self, key: str, dtype: torch.dtype, shape: tuple[int, ...], name: str, full: str) -> Storage:
        scale = self._read(full)
        if scale.dtype not in PLAIN:
            raise _refuse(key, f"has a scale of {_spell(scale.dtype)}, whose layout is not known")
        if not bool(torch.isfinite(scale).all()) or bool((scale < 0).any()):
            raise _refuse(key, "has a scale that is NaN, infinite or below 0")
        if name in BY_ROWS:
            blocks: tuple[int, ...] | None = (1, *shape[1:]) if scale.numel() == shape[0] else None
        else:
            blocks = _find_blocks(shape, tuple(scale.shape))
        if blocks is None:
            what = f"has a scale of shape {list(scale.shape)} for a weight of {list(shape)}, which fits in no known way"
            raise _refuse(key, what)
        return Storage(dtype, full, SCALES[name], blocks)


def _find_blocks(shape: tuple[int, ...], scale: tuple[int, ...]) -> tuple[int, ...] | None:
    """How many entries of each axis share one of the scale; None when that is not clear."""
    if math.prod(scale) == 1:
        return shape
    if not shape:
        return None
    if scale == shape[:1]:
        return (1, *shape[1:])
    if len(scale) != len(shape):
        scale = (*scale, *(1,) * (len(shape) - len(scale))) if math.prod(scale) == shape[0] == scale[0] else scale
        if len(scale) != len(shape):
            return None
    found = [_find_block(size, count) for size, count in zip(shape, scale, strict=True)]
    return None if None in found else tuple(block for block in found if block is not None)


def _find_block(size: int, count: int) -> int | None:
    """Length of count blocks along size: a divisor or a power of two, if only one fits."""
    if not 0 < count <= size:
        return None
    if count in (1, size):
        return size // count
    fits = {1 << power for power in range(4, 11) if -(-size // (1 << power)) == count}
    fits |= {size // count} if size % count == 0 else set()
    return fits.pop() if len(fits) == 1 else None


def check_live(key: str, tensor: Tensor) -> None:
    """Raise BadWeights for a tensor of a live model whose numbers are not its values, or that has none yet."""
    if tensor.device.type == "meta":
        what = "has no content yet (it is on the meta device)"
        raise BadWeights(what, where=key, fix="load the model's weights first, and do not offload them to the disk")
    kind = type(tensor)
    if hasattr(kind, "__tensor_flatten__") or any(hasattr(tensor, name) for name in WIDTH_NAMES):
        raise _refuse(key, f"is a {kind.__name__}, which hides how its values are stored")


def _refuse(key: str, what: str) -> BadWeights:
    return BadWeights(what, where=key, fix=_FIX)


def _spell(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
