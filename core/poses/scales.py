"""Whether coordinates are pixels, shares of the canvas or OpenPose's -1 .. 1, and how large a canvas is nobody stated.

The same test decides when poses are written (`core.poses.model.to_openpose`) and when they are read, so that what is
written is read as it was meant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from .model import FAR, Keypoint, Keypoints, find_relative, list_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    Parts = Sequence[Keypoints | None]

Scale = Literal["pixels", "relative", "signed"]
"""signed: -1 is the left or upper edge, 1 the other one (OpenPose's keypoint_scale 4)."""

UNSTATED = (512, 512)
"""Canvas, width and height, for shares of a canvas that nobody stated."""
SIGNED_SHARE, SIGNED_SHARE_UNSTATED = 1 / 3, 1 / 5
"""Least share of keypoints with a negative coordinate where the scale is -1 .. 1; with and without a canvas."""
SIGNED_REACH = 1.5
SMALLEST_SIGNED = 64
"""Canvases with a shorter side are never read as -1 .. 1: shares of their first pixel could look like it."""


SMALL = 50
"""Keypoints within such a part of both sides of the canvas are worth a note."""


def find_scales(parts: Parts, canvas: tuple[int, int] | None) -> list[Scale]:
    """Scale of each part of a picture's people."""
    relative = find_relative(parts)
    points = [p for part, flag in zip(parts, relative, strict=True) if flag for p in list_points(part)]
    scale: Scale = "signed" if _is_signed(points, canvas) else "relative"
    return [scale if flag else "pixels" for flag in relative]


def _is_signed(points: Sequence[Keypoint], canvas: tuple[int, int] | None) -> bool:
    if len(points) < 3 or (canvas is not None and min(canvas) < SMALLEST_SIGNED):
        return False
    negative = [p for p in points if min(p.x, p.y) < 0]
    share = SIGNED_SHARE_UNSTATED if canvas is None else SIGNED_SHARE
    lowest = min(min(p.x, p.y) for p in points)
    reach = max(max(abs(p.x), abs(p.y)) for p in points)
    return len(negative) >= share * len(points) and lowest < -0.1 and reach <= SIGNED_REACH


def to_pixels(part: Keypoints | None, scale: Scale, canvas: tuple[int, int]) -> Keypoints | None:
    """Keypoints in pixels of a canvas (width, height)."""
    if part is None or scale == "pixels":
        return part
    width, height = canvas

    def move(point: Keypoint) -> Keypoint:
        x, y = ((point.x + 1) / 2, (point.y + 1) / 2) if scale == "signed" else point[:2]
        return Keypoint(x * width, y * height, point.confidence)

    return tuple(None if point is None else move(point) for point in part)


def guess_canvas(parts: Parts) -> tuple[int, int]:
    """Canvas for keypoints in pixels: as far beyond the last one as the first one is from the edge, whole eights."""
    points = [point for part in parts for point in list_points(part)]
    if not points:
        return UNSTATED
    width, height = (_guess_side([min(max(p[axis], -FAR), FAR) for p in points]) for axis in (0, 1))
    return width, height


def describe_small(parts: Parts, canvas: tuple[int, int]) -> list[str]:
    """Note on keypoints in pixels that take a tiny part of their canvas, as shares of another canvas would."""
    points = [point for part in parts for point in list_points(part)]
    if len(points) < 3:
        return []
    width, height = (max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1))
    if width * SMALL >= canvas[0] or height * SMALL >= canvas[1]:
        return []
    taken = f"{max(1, round(width))} x {max(1, round(height))} pixels of {canvas[0]} x {canvas[1]}"
    return [f"all keypoints lie within {taken}; check whether the canvas is theirs"]


def _guess_side(places: Sequence[float]) -> int:
    first, last = min(places), max(places)
    margin = max(min(first, last - first), 0.05 * (last - max(first, 0.0)), 8.0)
    return max(64, 8 * math.ceil((last + margin) / 8))
