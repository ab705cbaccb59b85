"""Filtering and blending of AnyLine's two layers. Needs numpy and OpenCV.

Source of the recipe: TheMistoAI/ComfyUI-Anyline (MIT). Its layers are quantised to 8 bits before they are blended, so
they are here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...core.images.types import Masks, Values

CHANNELS = 3
"""The original counts the pixels of an object in three equal channels."""


def filter_lines(lines: Values, bounds: tuple[float, float], min_size: int, connectivity: int) -> Values:
    """Lines between the bounds (both included) that belong to objects of at least `min_size` / 3 pixels, 0 elsewhere.

    connectivity: 1 joins pixels sideways, 2 diagonally too.
    """
    low, high = np.float32(bounds[0]), np.float32(bounds[1])
    within = lines * ((lines >= low) & (lines <= high))
    large = np.stack([_large_objects(one > 0, -(-min_size // CHANNELS), connectivity) for one in within])
    return np.asarray(within * large, np.float32)


def blend_screen(below: Values, above: Values) -> Values:
    """Screen blend of two layers in 0..1."""
    return np.asarray(1 - (1 - above) * (1 - below), np.float32)


def _large_objects(mask: Masks, min_size: int, connectivity: int) -> Masks:
    """Connected components of a mask [H, W] of at least `min_size` pixels."""
    neighbours = 4 if connectivity == 1 else 8
    found: Any = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=neighbours)
    labels, stats = found[1], found[2]
    large: Masks = stats[:, cv2.CC_STAT_AREA] >= min_size
    large[0] = False  # label 0 is the background
    return large[labels]


def to_fractions(levels: NDArray[np.uint8]) -> Values:
    """Levels 0..255 as 0..1."""
    return np.asarray(levels / np.float32(255), np.float32)
