"""Numbers drawn by chance that depend on a name and a place alone: the same in any chunk, process and version.

Two rounds of a 32-bit mixer (Chris Wellons, "Prospecting for hash functions", 2018) of the place, keyed by the SHA-256
of the name.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B1


def draw_uniform(name: str, begin: int, count: int) -> Tensor:
    """Numbers in [0, 1) for the places begin to begin + count, float32 [count], in steps of 2^-24."""
    first, second = struct.unpack("<II", hashlib.sha256(name.encode()).digest()[:8])
    places = torch.arange(begin, begin + count, dtype=torch.int64)
    mixed = _mix((places & _MASK) ^ first)
    mixed = _mix(((mixed + (places >> 32) * _GOLDEN) & _MASK) ^ second)
    return (mixed >> 8).to(torch.float32).mul_(2.0**-24)


def _mix(values: Tensor) -> Tensor:
    """32-bit numbers in 64-bit lanes, in which the products do not overflow."""
    values = (values ^ (values >> 16)).mul_(0x7FEB352D).bitwise_and_(_MASK)
    values = (values ^ (values >> 15)).mul_(0x846CA68B).bitwise_and_(_MASK)
    return values ^ (values >> 16)
