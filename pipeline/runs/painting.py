"""Pictures to start from: what of them is painted anew, at which size, from which beginning, and how it is put back.

As A1111 does it: masks are blurred at the size of the picture; "only masked" paints the region around the mask at the
size asked for; outside the mask the picture stays bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...core.errors import BadParameter
from ...core.images.geometry import Size
from .filling import fill_masked
from .fitting import fit_levels, fit_mask
from .sources import blur_mask, put_back

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..request import Pixels, Request

    Levels = NDArray[np.float32]
    Mask = NDArray[np.bool_]


class Region(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, picture: NDArray[Any]) -> NDArray[Any]:
        """That part of [H, W] or [H, W, C]."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


class Painting:
    """One picture to start from. picture: uint8 [H, W, 3] of the first pass's size; start: the same with what is under
    the mask at the beginning; soft: mask of that size, 0 to 1, None without one."""

    def __init__(self, request: Request, size: Size, initial: Pixels, mask: Mask | None, region: Region | None) -> None:
        """initial, mask: as they were read. region: of them, that is painted; None for the whole picture."""
        self._initial, self._region = initial, region
        self._whole = None if mask is None else blur_mask(mask, request.mask_blur)
        if region is not None and self._whole is not None:
            self.picture: Pixels = fit_levels(np.ascontiguousarray(region.cut(initial)), size, "fill")
            self.soft: Levels | None = fit_mask(region.cut(self._whole), size, "fill")
        else:
            self.picture = fit_levels(initial, size, request.fit)
            self.soft = None if self._whole is None else fit_mask(self._whole, size, request.fit)
        filled = self.soft is not None and request.mask_content != "original"
        self.start: Pixels = fill_masked(self.picture, self.soft) if filled and self.soft is not None else self.picture

    def finish(self, pixels: Pixels) -> Pixels:
        """What was painted, uint8 [H, W, 3] of the first pass's size, put back into the picture."""
        if self.soft is None or self._whole is None:
            return pixels
        if self._region is None:  # A1111 lets the edge fade outside the mask only
            return put_back(pixels, self.picture, (self.soft * 2).clip(0, 1))
        region, whole = self._region, self._initial.copy()
        region.cut(whole)[:] = fit_levels(pixels, Size(region.height, region.width), "crop")
        return put_back(whole, self._initial, self._whole)


def find_region(mask: Mask, blur: float, padding: int) -> Region:
    """The rectangle around a blurred mask [H, W], with padding. Raises BadParameter for a mask that covers nothing."""
    covered = blur_mask(mask, blur) >= 0.5 / 255
    if not covered.any():
        what = "the mask covers nothing, so that there is no masked area"
        raise BadParameter(what, where="mask", fix="paint white what is to be painted anew, or leave the mask out")
    height, width = mask.shape
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    top, left = max(int(rows[0]) - padding, 0), max(int(columns[0]) - padding, 0)
    bottom, right = min(int(rows[-1]) + 1 + padding, height), min(int(columns[-1]) + 1 + padding, width)
    return Region(top, left, bottom - top, right - left)


def expand_region(region: Region, picture: Size, size: Size) -> Region:
    """The region in the aspect of size, as far as the picture reaches; one side grows on both ends.

    Rounded as A1111 rounds, whose quotients may lie just below a whole number.
    """
    aspect = size.width / size.height
    if region.width / region.height > aspect:
        wanted = region.height + int(region.width / aspect - region.height)
        top, height = _grow(region.top, region.height, wanted, picture.height)
        return region._replace(top=top, height=height)
    wanted = region.width + int(region.height * aspect - region.width)
    left, width = _grow(region.left, region.width, wanted, picture.width)
    return region._replace(left=left, width=width)


def _grow(start: int, length: int, wanted: int, limit: int) -> tuple[int, int]:
    grown = min(max(wanted, length), limit)
    return min(max(start - (grown - length) // 2, 0), limit - grown), grown
