"""A median and a Gaussian along every dimension of a tensor, with mirrored borders, as scipy.ndimage defines them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_AT_ONCE = 1 << 20
_RADIUS = 4
_TAPS = [math.exp(-0.5 * x * x) for x in range(-_RADIUS, _RADIUS + 1)]
GAUSSIAN = [tap / sum(_TAPS) for tap in _TAPS]
"""Weights of σ 1, cut off at 4 σ."""


def filter_median(values: Tensor) -> Tensor:
    """Median of the 3 neighbours along every dimension (3^ndim numbers), in the shape of the values."""
    around = 3**values.ndim
    step = max(1, _AT_ONCE // max(1, around * values[0].numel()))
    rows = _mirror(len(values), 1)
    inner = [_mirror(size, 1) for size in values.shape[1:]]
    result = torch.empty_like(values)
    for begin in range(0, len(values), step):
        count = min(step, len(values) - begin)
        padded = values[rows[begin : begin + count + 2]]
        for axis, index in enumerate(inner, start=1):
            padded = padded.index_select(axis, index)
        views: list[Tensor] = []
        for shifts in itertools.product(range(3), repeat=values.ndim):
            sizes = (count, *values.shape[1:])
            views.append(padded[tuple(slice(s, s + n) for s, n in zip(shifts, sizes, strict=True))])
        result[begin : begin + count] = torch.stack(views).median(dim=0).values
    return result


def blur(values: Tensor) -> Tensor:
    """Gaussian of σ 1 along every dimension, one after the other, in the shape of the values."""
    for axis, size in enumerate(values.shape):
        index = _mirror(size, _RADIUS)
        total = torch.zeros_like(values)
        for shift, tap in enumerate(GAUSSIAN):
            total.add_(values.index_select(axis, index[shift : shift + size]), alpha=tap)
        values = total
    return values


def _mirror(size: int, radius: int) -> Tensor:
    """Places of a line that is continued on both sides by its mirror image: c b a | a b c | c b a."""
    places = torch.arange(-radius, size + radius) % (2 * size)
    return torch.where(places < size, places, 2 * size - 1 - places)
