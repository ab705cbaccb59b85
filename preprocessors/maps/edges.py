"""What is done to edge probabilities after the network. Needs numpy and OpenCV.

Source of the recipes: lllyasviel's ControlNet annotators (Apache-2.0), which made the maps ControlNets learnt from.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...core.images.types import Images, Values

LINES = ([[1, 1, 1]], [[1], [1], [1]], np.eye(3), np.eye(3)[::-1])
"""Three pixels in a row: across, down and along both diagonals."""


def quantise_safe(x: Values, steps: int = 2) -> Values:
    """Quantise probabilities to floor(x * (steps + 1)) / steps, which hides hints of the picture between the edges.

    The top level exceeds 1 where x is 1; `to_bytes` clips it. With 2 steps the map's levels are 0, 127 and 255.
    """
    return (np.floor(x * np.float32(steps + 1)) / np.float32(steps)).astype(np.float32)


def to_bytes(x: Values) -> NDArray[np.uint8]:
    """Probabilities to 0..255, cut off and not rounded: byte for byte the maps that ControlNets were trained on."""
    return np.clip(x * np.float32(255), 0, 255).astype(np.uint8)


def invert_drawing(drawing: Values) -> NDArray[np.uint8]:
    """Turn drawings in 0..1, 1 = paper, to white lines on black, cut off to 8 bits before they are inverted."""
    return 255 - to_bytes(drawing)


def to_rgb(maps: NDArray[np.uint8]) -> Images:
    """uint8 [B, H, W] to three equal channels [B, H, W, 3]."""
    count, height, width = maps.shape
    return cv2.cvtColor(maps.reshape(count * height, width), cv2.COLOR_GRAY2RGB).reshape(count, height, width, 3)  # type: ignore[return-value]


def thin_edges(edges: NDArray[np.uint8], threshold: int = 127, sigma: float = 3.0) -> NDArray[np.uint8]:
    """Non-maximum suppression of one map [H, W]: 255 on ridges of the blurred map that exceed the threshold, else 0.

    A ridge is a pixel that no neighbour exceeds along at least one of the four directions.
    """
    blurred: NDArray[Any] = cv2.GaussianBlur(edges.astype(np.float32), (0, 0), sigma)
    tops = [cv2.compare(cv2.dilate(blurred, np.array(line, np.uint8)), blurred, cv2.CMP_EQ) for line in LINES]
    ridges = reduce(cv2.bitwise_or, tops)
    strong = (blurred > threshold).view(np.uint8)  # not cv2.compare: it takes a 1 x 1 map for a number
    return cv2.multiply(ridges, strong)  # type: ignore[return-value]


def draw_scribble(edges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn one edge map [H, W] into strokes of even width, 255 on 0: thinned, blurred, all above 4 kept."""
    strokes = cv2.GaussianBlur(thin_edges(edges), (0, 0), 3.0)
    return cv2.threshold(strokes, 4, 255, cv2.THRESH_BINARY)[1]  # type: ignore[return-value]
