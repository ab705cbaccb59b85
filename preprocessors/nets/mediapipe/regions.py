"""Rotated square cut-outs of a picture, and the way back from points in them. Needs numpy, OpenCV.

All places are continuous picture coordinates in pixels: the upper left pixel covers 0 .. 1 in both directions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]


class Region(NamedTuple):
    """Rectangle around (x, y); angle is in radians, clockwise as seen: at pi / 2 its top points to the right."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    def scaled(self, factor: float) -> Region:
        """Larger or smaller about its centre."""
        return self._replace(width=self.width * factor, height=self.height * factor)

    def shifted(self, across: float, down: float) -> Region:
        """Moved along its own axes by shares of its width and height."""
        x, y = rotate_vector(across * self.width, down * self.height, self.angle)
        return self._replace(x=self.x + x, y=self.y + y)

    def squared(self) -> Region:
        """Square of the longer side."""
        side = max(self.width, self.height)
        return self._replace(width=side, height=side)


def rotate_vector(x: float, y: float, angle: float) -> tuple[float, float]:
    """Turn a vector clockwise (y points down)."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return x * cosine - y * sine, x * sine + y * cosine


def upright_angle(start: Any, end: Any) -> float:
    """Angle of a region in which end lies straight above start."""
    return _wrap_angle(math.pi / 2 - math.atan2(-(float(end[1]) - float(start[1])), float(end[0]) - float(start[0])))


def horizontal_angle(start: Any, end: Any) -> float:
    """Angle of a region in which end lies straight to the right of start."""
    return _wrap_angle(math.atan2(float(end[1]) - float(start[1]), float(end[0]) - float(start[0])))


def _wrap_angle(angle: float) -> float:
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def letterbox_region(image: NDArray[Any]) -> Region:
    """Smallest centred square that holds the picture (a letterbox)."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, width, height).squared()


def full_region(image: NDArray[Any]) -> Region:
    """The picture itself; crops of it are stretched."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, width, height)


def enclosing_region(points: NDArray[Any], angle: float) -> Region:
    """Smallest region of that angle which holds the points [N, 2]."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = points @ np.array([[cosine, -sine], [sine, cosine]], np.float32)
    low, high = turned.min(0), turned.max(0)
    middle = (low + high) / 2
    x, y = rotate_vector(float(middle[0]), float(middle[1]), angle)
    return Region(x, y, float(high[0] - low[0]), float(high[1] - low[1]), angle)


def tile_regions(image: NDArray[Any], side: float, *, overlap: float = 0.5) -> list[Region]:
    """Squares of a side in pixels that cover the picture, neighbours sharing at least that part."""
    height, width = image.shape[:2]

    def centres(length: int) -> NDArray[np.float64]:
        if length <= side:
            return np.array([length / 2])
        count = math.ceil((length - side) / (side * (1 - overlap))) + 1
        return np.linspace(side / 2, length - side / 2, count)

    return [Region(float(x), float(y), side, side) for y in centres(height) for x in centres(width)]


def search_regions(image: NDArray[Any], levels: int, finest: int) -> list[Region]:
    """Where detectors look: the whole picture, then tiles of the shorter side, of its half, and so on.

    levels: 1 is the whole picture only. Nearly square pictures begin with tiles of half a side; none is smaller than
    finest, in pixels.
    """
    shorter = min(image.shape[:2])
    first = shorter if max(image.shape[:2]) > 1.2 * shorter else shorter / 2
    sides = [first / 2**step for step in range(levels - 1)]
    return [letterbox_region(image)] + [
        region for side in sides if side >= finest for region in tile_regions(image, side)
    ]


def region_matrix(region: Region) -> Array:
    """[2, 3] map from places in the region (0 .. 1 from its upper left corner) to the picture."""
    cosine, sine = math.cos(region.angle), math.sin(region.angle)
    linear = np.array([[cosine * region.width, -sine * region.height], [sine * region.width, cosine * region.height]])
    offset = np.array([region.x, region.y]) - linear @ np.array([0.5, 0.5])
    return np.hstack([linear, offset[:, None]]).astype(np.float32)


def to_picture(places: NDArray[Any], region: Region) -> Array:
    """Places in a region [..., 2] (0 .. 1) to picture pixels."""
    across = region_matrix(region).astype(np.float64)
    return (places @ across[:, :2].T + across[:, 2]).astype(np.float32)


def to_region(points: NDArray[Any], region: Region) -> Array:
    """Exact inverse of `to_picture`."""
    across = region_matrix(region).astype(np.float64)
    return ((points - across[:, 2]) @ np.linalg.inv(across[:, :2]).T).astype(np.float32)


def crop_region(image: Image, region: Region, size: tuple[int, int]) -> Image:
    """Cut out and resample to size = (height, width); black beyond the picture. Averages where it shrinks a lot."""
    height, width = size
    shrink = math.floor(min(region.height / height, region.width / width))
    if shrink >= 2:
        image, region = _shrink(image, region, shrink)
    across = region_matrix(region).astype(np.float64)
    pixels = across @ np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height], [0, 0, 1]])
    pixels[:, 2] -= 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, pixels, (width, height), flags=flags).astype(np.uint8, copy=False)


def _shrink(image: Image, region: Region, by: int) -> tuple[Image, Region]:
    """Part of the picture that the region touches, reduced by a whole factor."""
    corners = to_picture(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), region)
    low = np.clip(np.floor(corners.min(0)).astype(int) - by, 0, None) // by * by
    high = np.ceil(corners.max(0)).astype(int) + by
    part = image[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    if not part.size:
        part = np.zeros((1, 1, *image.shape[2:]), np.uint8)
    grow = [(0, -part.shape[0] % by), (0, -part.shape[1] % by), (0, 0)][: part.ndim]
    part = np.pad(part, grow)
    small = cv2.resize(part, (part.shape[1] // by, part.shape[0] // by), interpolation=cv2.INTER_AREA)
    x, y = (region.x - low[0]) / by, (region.y - low[1]) / by
    moved = Region(x, y, region.width / by, region.height / by, region.angle)
    return small.astype(np.uint8, copy=False), moved
