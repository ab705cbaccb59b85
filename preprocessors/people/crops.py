"""Crops of an image for networks that look at one person or animal at a time. Needs numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Floats = NDArray[np.floating[Any]]
    Image = NDArray[np.uint8]
    Crop = Callable[[Array, Array], Image]

MAX_BATCH = 32
"""Most crops that go through a network at once."""


class Regions(NamedTuple):
    """Regions of an image. centres: float32 [N, 2]. sizes: float32 [N, 2], width and height in its pixels."""

    centres: Array
    sizes: Array

    def crop(self, size: tuple[int, int], scale: Floats, offset: Floats, crop: Crop) -> Array:
        """Levels * scale - offset of every region, float32 [N, 3, H, W].

        size: width and height of a crop. crop: makes one, uint8 [H, W, 3], from a region's centre and size.
        """
        batch = np.empty((len(self.centres), 3, size[1], size[0]), np.float32)
        for out, centre, extent in zip(batch, *self, strict=True):
            np.multiply(crop(centre, extent).transpose(2, 0, 1), scale, out=out)
        return np.subtract(batch, offset, out=batch)

    def to_image(self, fractions: Array, confidences: Array) -> Array:
        """Keypoints [N, K, 3] in the image from fractions [N, K, 2] of each region and confidences [N, K, 1]."""
        positions = (fractions - 0.5) * self.sizes[:, None] + self.centres[:, None]
        return np.concatenate([positions, confidences], -1)


def split_batches(boxes: Array) -> list[Array]:
    """Boxes [N, 4] in batches of at most MAX_BATCH."""
    return [boxes[start : start + MAX_BATCH] for start in range(0, len(boxes), MAX_BATCH)]
