"""The k-th largest change of a whole tensor, exactly, from chunks: two counts of bit patterns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..method import Read

_BITS, _LOW = 16, 0xFFFF


def find_thresholds(read: Read, density: float) -> list[float]:
    """For every input behind the first: the least |X − A| among the share `density` of the largest of a tensor.

    Positive floats are ordered as their bit patterns are, so the upper half of the bits is counted first, then the
    lower half of those in the bin that holds the k-th.
    """
    counts: list[Tensor] = []
    size = 0
    for patterns in _iter_patterns(read):
        size += patterns[0].numel()
        found = [torch.bincount(bits >> _BITS, minlength=1 << _BITS) for bits in patterns]
        counts = [old + new for old, new in zip(counts, found, strict=True)] if counts else found
    wanted = max(1, math.ceil(density * size))
    bins = [_find_bin(count, wanted) for count in counts]
    fine = [torch.zeros(1 << _BITS, dtype=torch.int64) for _ in bins]
    for patterns in _iter_patterns(read):
        for bits, (place, _), count in zip(patterns, bins, fine, strict=True):
            count += torch.bincount(bits[bits >> _BITS == place] & _LOW, minlength=1 << _BITS)
    found = [(place << _BITS) | _find_bin(count, left)[0] for (place, left), count in zip(bins, fine, strict=True)]
    return torch.tensor(found, dtype=torch.int32).view(torch.float32).tolist()


def _iter_patterns(read: Read) -> Iterator[list[Tensor]]:
    for chunk in read():
        first, *others = (tensor.reshape(-1) for tensor in chunk.tensors)
        yield [(other - first).abs_().view(torch.int32) for other in others]


def _find_bin(count: Tensor, wanted: int) -> tuple[int, int]:
    """Bin that holds the wanted-th from above, and which one it is in there."""
    above = count.flip(0).cumsum(0)
    place = int((above >= wanted).to(torch.int8).argmax())
    return len(count) - 1 - place, wanted - (int(above[place - 1]) if place else 0)
