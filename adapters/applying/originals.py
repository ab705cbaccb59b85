"""What stood where patched tensors stand now: one record for all Patchers of a process, known by the patched tensor.

The record follows the tensor and not the Patcher, so that originals are found by whoever looks at the model next, also
in a copy of a dict of tensors, and go when the patched tensor goes.
"""

from __future__ import annotations

import math
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

LOCK = threading.RLock()
"""Held while weights are looked at or replaced: one for all Patchers, since several may share a model."""


class Allocation(NamedTuple):
    """Memory that was taken at once, and is given back when the last of its tensors goes."""

    nbytes: int


@dataclass
class Replacement:
    """A replaced tensor: the original object, our memory, its version when we last wrote it (None while we write).

    largest: what no absolute value of the original exceeds, infinity where that is not known; original_version: the
    original's version then.
    """

    original: Tensor | None
    buffer: Tensor
    allocation: Allocation
    version: int | None = None
    largest: float = math.inf
    original_version: int | None = None


class Originals:
    """Patched tensor → what it replaced. Holds no patched tensor alive."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Tensor], Replacement]] = {}

    def find(self, tensor: Tensor) -> Replacement | None:
        """What a tensor replaced, if it is one of ours."""
        reference, replacement = self._held.get(id(tensor), (None, None))
        return replacement if reference is not None and reference() is tensor else None

    def add(self, tensor: Tensor, replacement: Replacement) -> None:
        """Remember what a tensor replaces; tensor must be another object than replacement.buffer."""
        name = id(tensor)

        def forget(reference: weakref.ref[Tensor]) -> None:
            if self._held.get(name, (None, None))[0] is reference:
                del self._held[name]

        self._held[name] = weakref.ref(tensor, forget), replacement

    def remove(self, tensor: Tensor) -> None:
        """Forget a tensor: it is no longer ours, or no longer there."""
        self._held.pop(id(tensor), None)


ORIGINALS = Originals()


def read_version(tensor: Tensor | None) -> int:
    """How often a tensor was written in place; inference tensors do not count."""
    return -1 if tensor is None or tensor.is_inference() else tensor._version


def is_ours(now: Tensor, patched: Replacement) -> bool:
    """Whether a model's tensor holds what we wrote, where we wrote it."""
    same = now.data_ptr() == patched.buffer.data_ptr()
    return same and (patched.version is None or patched.version == read_version(now))


_ROUNDED = tuple(
    getattr(torch, name) for name in ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2") if hasattr(torch, name)
)


def is_moved(now: Tensor, patched: Replacement) -> bool:
    """Whether a model's tensor is what we wrote, on another device or in another dtype, or was so for a while."""
    buffer = patched.buffer
    if patched.version is None or now.shape != buffer.shape or now.device.type == "meta":
        return False
    if now.data_ptr() == buffer.data_ptr():
        return False
    content, ours = now.detach(), buffer.to(now.device)
    if _is_equal(content, ours.to(now.dtype)):
        return True
    return now.is_floating_point() and any(_is_equal(content, ours.to(dtype).to(now.dtype)) for dtype in _ROUNDED)


def _is_equal(first: Tensor, second: Tensor) -> bool:
    """Equality of content; torch has none for dtypes of one byte that are no integers."""
    if first.is_floating_point() and first.element_size() == 1:
        first, second = first.view(torch.uint8), second.view(torch.uint8)
    return torch.equal(first, second)


def move_like(original: Tensor | None, now: Tensor) -> Tensor | None:
    """The original on that tensor's device and in its dtype: the same object where nothing is to be done."""
    if original is None or (original.device, original.dtype) == (now.device, now.dtype):
        return original
    moved = original.detach().to(now.device, now.dtype)
    return nn.Parameter(moved, requires_grad=original.requires_grad) if isinstance(original, nn.Parameter) else moved
