"""The tensors of one module on their way to a delta: who took what, and whether it is sound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from .suffixes import ALIASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from .residual import Start

_CHUNK = 2**22
_SUMMABLE = (torch.float16, torch.bfloat16, torch.float32)
MAX_TERMS = 64
LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a file's metadata says beyond its tensors (PEFT's adapter_config.json, diffusers' header).

    alpha: replaces the tensor; rank: PEFT's r, needed where no tensor shows it (LoKr, both full); stabilised:
    use_rslora; always_scaled: PEFT's LoKr rule; neumann: terms of PEFT's OFT, None for the exact form; limit: eps of
    PEFT's constrained OFT; on_input: whether PEFT's IA3 treats this module as feed-forward; start: what PEFT took out
    of the base weight before training (init_lora_weights).
    """

    alpha: float | None = None
    rank: int | None = None
    stabilised: bool = False
    always_scaled: bool = False
    neumann: int | None = 5
    limit: float | None = None
    on_input: bool | None = None
    start: Start | None = None

    def check(self) -> None:
        """Raise BadWeights for values no trainer writes."""
        if self.alpha is not None and not abs(self.alpha) <= LARGEST:
            raise bad_module(f"the metadata's alpha is {self.alpha}, which cannot be computed with")
        if self.neumann is not None and not 0 < self.neumann <= MAX_TERMS:
            raise bad_module(f"the metadata asks for {self.neumann} Cayley-Neumann terms, outside 1 to {MAX_TERMS}")
        if self.limit is not None and not (math.isfinite(self.limit) and self.limit >= 0):
            raise bad_module(f"the metadata's eps is {self.limit}")


class ModuleTensors:
    """Suffix to tensor of one module; records which were used. Raises BadWeights for unsound tensors."""

    def __init__(self, tensors: Mapping[str, Tensor], *, check_finite: bool = True) -> None:
        self._tensors = tensors
        self._check_finite = check_finite
        self.used: set[str] = set()

    def suffix(self, name: str) -> str | None:
        """The suffix under which a tensor is in the file."""
        return next((s for s in ALIASES.get(name, (name,)) if s in self._tensors), None)

    def __contains__(self, name: str) -> bool:
        return self.suffix(name) is not None

    def take(self, name: str) -> Tensor | None:
        """A floating point tensor, or None when the file has none of that name."""
        suffix = self.suffix(name)
        if suffix is None:
            return None
        tensor = self._tensors[suffix]
        if not tensor.is_floating_point():
            raise bad_module(f"{suffix} holds {_dtype(tensor)} where floating point is due")
        if self._check_finite and not is_finite(tensor):
            raise bad_module(f"{suffix} holds NaN or infinite values")
        self.used.add(suffix)
        return tensor

    def need(self, name: str) -> Tensor:
        """A floating point tensor that must be there."""
        tensor = self.take(name)
        if tensor is None:
            raise bad_module(f"{ALIASES.get(name, (name,))[0]} is missing")
        return tensor

    def number(self, name: str) -> float | None:
        """The one finite value of a scalar tensor (integers too), or None when the file has none of that name."""
        suffix = self.suffix(name)
        if suffix is None:
            return None
        tensor = self._tensors[suffix]
        if tensor.numel() != 1:
            raise bad_module(f"{suffix} has shape {list(tensor.shape)} where one value is due")
        if tensor.is_complex() or tensor.dtype == torch.bool:
            raise bad_module(f"{suffix} holds {_dtype(tensor)} where a number is due")
        value = float(tensor.detach().to(torch.float64).reshape(()).item())
        if not abs(value) <= LARGEST:
            raise bad_module(f"{suffix} is {value}, which cannot be computed with")
        self.used.add(suffix)
        return value

    def flag(self, name: str) -> bool:
        """Whether the file has a marker of that name that is not 0 (bool, or what a change of dtype made of one)."""
        if name not in self._tensors:
            return False
        tensor = self._tensors[name]
        self.used.add(name)
        return bool(tensor.count_nonzero()) if tensor.numel() else True


def is_finite(tensor: Tensor) -> bool:
    """Whether no element is NaN or infinite; reads in chunks, allocates no mask of the whole. Meta tensors: True."""
    if tensor.device.type == "meta" or not tensor.is_floating_point():
        return True
    row = tensor.detach().reshape(-1)
    return all(_finite(row[start : start + _CHUNK]) for start in range(0, row.numel(), _CHUNK))


def _finite(chunk: Tensor) -> bool:
    if chunk.dtype in _SUMMABLE and math.isfinite(float(chunk.sum(dtype=torch.float32))):
        return True
    if chunk.dtype not in (*_SUMMABLE, torch.float64):
        chunk = chunk.to(torch.float32)
    return bool(torch.isfinite(chunk).all())


def bad_module(what: str) -> BadWeights:
    """A fault of one module."""
    return BadWeights(what, fix="fetch or export the file again")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
