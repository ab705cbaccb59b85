"""Regions of a picture, cut out for networks that look at one figure at a time. Imported lazily (needs numpy)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.floating[Any]]
    Image = NDArray[np.uint8]
    Cut = Callable[[Array, Array], Image]

TOGETHER = 32
"""Most figures that go through a network at once."""


class Regions(NamedTuple):
    """Regions of a picture. centres: float32 [N, 2]. sizes: float32 [N, 2], width and height in its pixels."""

    centres: Array
    sizes: Array

    def cut(self, size: tuple[int, int], slope: Floats, start: Floats, cut: Cut) -> Array:
        """Levels times slope less start, float32 [N, 3, H, W].

        size: width and height of a crop. cut: makes it, uint8 [H, W, 3], of a region's centre and size.
        """
        made = np.empty((len(self.centres), 3, size[1], size[0]), np.float32)
        for one, centre, extent in zip(made, *self, strict=True):
            np.multiply(cut(centre, extent).transpose(2, 0, 1), slope, out=one)
        return np.subtract(made, start, out=made)

    def placed(self, shares: Array, confidences: Array) -> Array:
        """Points [N, K, 3] of the picture at shares [N, K, 2] of each region, 0..1, with confidences [N, K, 1]."""
        places = (shares - 0.5) * self.sizes[:, None] + self.centres[:, None]
        return np.concatenate([places, confidences], -1)


def pieces(boxes: Array) -> list[Array]:
    """Boxes [N, 4] in parts that go through a network together."""
    return [boxes[start : start + TOGETHER] for start in range(0, len(boxes), TOGETHER)]
