"""Where tiles lie and how much each of them counts in every pixel. Pure functions of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..images.geometry import Size

if TYPE_CHECKING:
    from ..images.types import Plane


class Box(NamedTuple):
    """A tile: its first row and column, and how large it is, in pixels."""

    top: int
    left: int
    size: Size

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of a [H, W] plane."""
        return slice(self.top, self.top + self.size.height), slice(self.left, self.left + self.size.width)


def plan_boxes(size: Size, tile: int, overlap: int) -> tuple[Box, ...]:
    """Tiles that cover a picture row by row, evenly spread; neighbours share at least `overlap` pixels."""
    rows, columns = (_plan_axis(length, tile, overlap) for length in size)
    extent = Size(min(tile, size.height), min(tile, size.width))
    return tuple(Box(top, left, extent) for top in rows for left in columns)


def _plan_axis(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(number * (length - tile) / (count - 1)) for number in range(count)]


def make_window(box: Box, size: Size, overlap: int) -> Plane:
    """Weights float32 [h, w] of a tile's pixels, above 0: 1 inside, falling to the sides where another tile goes on.

    size: of the picture. Where two tiles share `overlap` pixels their weights sum to 1.
    """
    down = _make_ramp(box.top, box.size.height, size.height, overlap)
    across = _make_ramp(box.left, box.size.width, size.width, overlap)
    return down[:, None] * across[None, :]


def _make_ramp(start: int, length: int, whole: int, overlap: int) -> Plane:
    ramp = np.ones(length, np.float32)
    if overlap:
        rise = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
        if start:
            ramp[:overlap] = rise
        if start + length < whole:
            ramp[length - overlap :] = np.minimum(ramp[length - overlap :], rise[::-1])
    return ramp
