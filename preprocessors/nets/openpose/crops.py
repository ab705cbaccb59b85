"""Where a body's hands and face must be, and the pixels there. Needs numpy.

The rules are OpenPose's for hands and ControlNet's for faces, oddities at the border included: a box that is cut off on
the left or above is moved, a face's may reach over the right or lower border and is then not square.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ....core.images.geometry import Size
    from .body import Joint, Joints

MIN_SIDE = 20
"""Boxes below so many pixels are dropped."""
LEFT_ARM, RIGHT_ARM = (5, 6, 7), (2, 3, 4)
"""Shoulder, elbow, wrist."""
EYES, EARS = (14, 15), (16, 17)


class Box(NamedTuple):
    """Square of a picture: upper left corner and side, in whole pixels."""

    x: int
    y: int
    side: int


def hand_box(joints: Joints, arm: tuple[int, int, int], size: Size) -> Box | None:
    """Round the point a third of the lower arm beyond the wrist; needs the whole arm."""
    shoulder, elbow, wrist = (joints[at] for at in arm)
    if shoulder is None or elbow is None or wrist is None:
        return None
    lower, upper = math.dist(wrist[:2], elbow[:2]), math.dist(elbow[:2], shoulder[:2])
    side = 1.5 * max(lower, 0.9 * upper)
    x = max(0, wrist.x + 0.33 * (wrist.x - elbow.x) - side / 2)
    y = max(0, wrist.y + 0.33 * (wrist.y - elbow.y) - side / 2)
    return _clip_box(x, y, side, side, size)


def face_box(joints: Joints, size: Size) -> Box | None:
    """Round the nose, by the distance to the farthest eye or ear; needs one of them."""
    nose = joints[0]
    if nose is None:
        return None
    half = max(_face_reach(nose, joints, EYES, 3.0), _face_reach(nose, joints, EARS, 1.5))
    return _clip_box(max(0, nose.x - half), max(0, nose.y - half), half, 2 * half, size)


def _face_reach(nose: Joint, joints: Joints, others: tuple[int, ...], factor: float) -> float:
    seen = (joints[at] for at in others)
    return max((factor * max(abs(nose.x - one.x), abs(nose.y - one.y)) for one in seen if one is not None), default=0.0)


def _clip_box(x: float, y: float, reach: float, side: float, size: Size) -> Box | None:
    """Cut the side where x + reach is beyond the right border, or y + reach beyond the lower one."""
    width = size.width - x if x + reach > size.width else side
    height = size.height - y if y + reach > size.height else side
    side = min(width, height)
    return Box(int(x), int(y), int(side)) if side >= MIN_SIDE else None


class Crop(NamedTuple):
    """Pixels of a box, BGR, and how its pixels lie on the map: map = (corner + pixel) / scale, x and y."""

    pixels: NDArray[np.uint8]
    corner: tuple[int, int]
    scale: tuple[float, float]

    def on_map(self, x: int, y: int) -> tuple[float, float]:
        """Place of a pixel of the crop, in pixels of the map."""
        return (self.corner[0] + x) / self.scale[0], (self.corner[1] + y) / self.scale[1]


def crop_box(picture: NDArray[np.uint8], box: Box, size: Size) -> Crop:
    """Pixels of an RGB picture [H, W, 3] under a box of its map."""
    scale = picture.shape[1] / size.width, picture.shape[0] / size.height
    x, y, right, below = _scale_box(box, scale)
    pixels: NDArray[Any] = picture[y : max(below, y + 1), x : max(right, x + 1), ::-1]
    return Crop(np.ascontiguousarray(pixels), (x, y), scale)


def _scale_box(box: Box, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    kx, ky = scale
    edges = (box.x * kx, box.y * ky, (box.x + box.side) * kx, (box.y + box.side) * ky)
    x, y, right, below = (round(edge) for edge in edges)
    return x, y, right, below
