"""What AnyLine does with soft edges and thin lines. Imported lazily (needs torch and OpenCV).

Source of the recipe: TheMistoAI/ComfyUI-Anyline (MIT). Its layers pass through 8 bits before they are blended, so they
do here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..nets import lineart, lineart_anime, manga_line, teed
from ..weights.teed_files import MTEED
from . import edges, filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...core.images.types import Images, Masks, Values
    from ...core.networks.placement import Placement
    from ..weights.lineart_files import Lines

SIGMA, THRESHOLD = 2.0, 3.0
"""Of the standard line art that is blended."""
CHANNELS = 3
"""The original counts the pixels of specks in three equal channels."""


def soft_edges(images: Images, safe_steps: int, placement: Placement) -> Values:
    """Soft edges of MTEED, float32 [B, H, W] in 0..1, quantised unless safe_steps is 0."""
    values = teed.edge_probability(images, MTEED, placement)
    return _fractions(edges.to_bytes(edges.safe_step(values, safe_steps) if safe_steps else values))


def thin_lines(images: Images, merge_with: Lines, placement: Placement) -> Values:
    """Lines float32 [B, H, W] in 0..1."""
    if merge_with == "lineart_standard":
        levels = filters.each(images, lambda picture: filters.standard_lines(picture, SIGMA, THRESHOLD))
        return _fractions(levels.astype(np.uint8))
    if merge_with == "lineart_manga":
        return _fractions(edges.to_bytes(manga_line.ink(images, placement)))
    if merge_with == "lineart":
        return _fractions(edges.inverted(lineart.drawing(images, "fine", placement)))
    return _fractions(edges.inverted(lineart_anime.drawing(images, "stretch", placement)))


def kept(lines: Values, bounds: tuple[float, float], smallest: int, connectivity: int) -> Values:
    """Lines between the bounds (both included) that belong to specks of at least `smallest` / 3 pixels, 0 elsewhere."""
    low, high = np.float32(bounds[0]), np.float32(bounds[1])
    within = lines * ((lines >= low) & (lines <= high))
    large = np.stack([_large(one > 0, -(-smallest // CHANNELS), connectivity) for one in within])
    return np.asarray(within * large, np.float32)


def screen(below: Values, above: Values) -> Values:
    """Blend two layers in 0..1 as light adds up."""
    return np.asarray(1 - (1 - above) * (1 - below), np.float32)


def _large(mask: Masks, smallest: int, connectivity: int) -> Masks:
    """Keep of a mask [H, W] the connected specks of at least `smallest` pixels."""
    neighbours = 4 if connectivity == 1 else 8
    found: Any = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=neighbours)
    labels, stats = found[1], found[2]
    large: Masks = stats[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False  # label 0 is what lies between the specks
    return large[labels]


def _fractions(levels: NDArray[np.uint8]) -> Values:
    return np.asarray(levels / np.float32(255), np.float32)
