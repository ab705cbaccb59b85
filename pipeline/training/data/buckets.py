"""Sizes that pictures are brought to, so that several of them make a batch."""

from __future__ import annotations

import math
from typing import NamedTuple

from ....core.images.geometry import Size

WIDEST = 4.0
"""Longest side of a bucket by its shorter one; longer pictures are cropped."""


class Buckets(NamedTuple):
    """resolution: sides of a square of the area that is wanted. step: sides are its multiples. square: no other aspect.

    upscale: whether smaller pictures are enlarged.
    """

    resolution: int
    step: int
    square: bool = False
    upscale: bool = False

    def choose(self, picture: Size) -> Size | None:
        """The size for a picture; None when it is too small and is not to be enlarged.

        It is the bucket whose aspect is nearest; a picture that does not fill it gets the largest size that it fills.
        """
        best = min(self._list_sizes(), key=lambda size: (_compare(size, picture), -size.height * size.width))
        if self.upscale or (picture.height >= best.height and picture.width >= best.width):
            return best
        height, width = (side // self.step * self.step for side in picture)
        if self.square:
            height = width = min(height, width)
        height, width = min(height, self._longest(width)), min(width, self._longest(height))
        return Size(height, width) if height and width else None

    def _list_sizes(self) -> list[Size]:
        """Sizes of about the area, each no larger than it."""
        base = max(self.step, self.resolution // self.step * self.step)
        if self.square:
            return [Size(base, base)]
        area = max(self.resolution, self.step) ** 2
        sizes = [Size(base, base)]
        width = base + self.step
        while (height := area // width // self.step * self.step) and width <= WIDEST * height:
            sizes += [Size(height, width), Size(width, height)]
            width += self.step
        return sizes

    def _longest(self, side: int) -> int:
        return max(self.step, int(side * WIDEST) // self.step * self.step)


def _compare(size: Size, picture: Size) -> float:
    """How much the aspects differ, 0 for none; rounded, so that ties are ties."""
    return round(abs(math.log(size.width / size.height) - math.log(picture.width / picture.height)), 9)
