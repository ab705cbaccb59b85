"""Draws people and animals in the style that ControlNet's pose networks were trained on, whatever detected them.

Source of colours, order and sizes: CMU OpenPose by way of A1111's ControlNet
extension; limb widths for large maps: the model card of xinsir/controlnet-openpose-sdxl-1.0; animals:
abehonest/ControlNet_AnimalPose, as A1111's and ComfyUI's nodes draw them.
"""

from __future__ import annotations

import colorsys
import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Keypoint, Keypoints, Pose
    from .names import LimbScaling

    Canvas = NDArray[np.uint8]

Colour = tuple[int, int, int]
"""plain: half-width 4 and joints of radius 4 at every size. xinsir: both scale with the map (model card). comfyui: only
limbs scale (its option scale_stick_for_xinsr_cn)."""

COLOURS: tuple[Colour, ...] = (
    (255, 0, 0),
    (255, 85, 0),
    (255, 170, 0),
    (255, 255, 0),
    (170, 255, 0),
    (85, 255, 0),
    (0, 255, 0),
    (0, 255, 85),
    (0, 255, 170),
    (0, 255, 255),
    (0, 170, 255),
    (0, 85, 255),
    (0, 0, 255),
    (85, 0, 255),
    (170, 0, 255),
    (255, 0, 255),
    (255, 0, 170),
    (255, 0, 85),
)
"""RGB of body joint i; limb i has the same at 60 %."""

LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""Pairs of body slots in drawing order."""

FINGERS = tuple(
    (4 * finger + joint if joint else 0, 4 * finger + joint + 1) for finger in range(5) for joint in range(4)
)
"""Pairs of hand slots, thumb to little finger, from the wrist outwards."""

ANIMAL_LIMBS = (
    *((0, 1), (1, 2), (0, 2), (2, 3), (3, 8), (8, 9), (9, 10), (3, 5), (5, 6), (6, 7)),
    *((3, 4), (4, 14), (14, 15), (15, 16), (4, 11), (11, 12), (12, 13)),
)
"""Pairs of an animal's slots in drawing order."""
ANIMAL_COLOURS: tuple[Colour, ...] = (
    (255, 255, 255),
    (100, 255, 100),
    (150, 255, 255),
    (100, 50, 255),
    (50, 150, 200),
    (0, 255, 255),
    (0, 150, 0),
    (0, 0, 255),
    (0, 0, 150),
    (255, 50, 255),
    (255, 0, 255),
    (255, 0, 0),
    (150, 0, 0),
    (255, 255, 100),
    (0, 150, 0),
    (255, 255, 0),
    (150, 150, 150),
)
"""RGB of an animal's limb i; its joints are not drawn."""
ANIMAL_STICK = 5

JOINT_RADIUS = 4
LIMB_SHARE = 0.6
HAND_JOINT: Colour = (0, 0, 255)
FACE_DOT: Colour = (255, 255, 255)
FARTHEST = 2.0**20
"""Points farther out than any map reaches are drawn here, because OpenCV's numbers end somewhere."""
MARGIN = 0.01
"""Points nearer than this to the left or upper edge, in pixels, are not drawn (the peers' mark of a missing point);
neither are those of hands, faces and animals beyond these edges, as peers do. Limbs of bodies leave on every side."""


class LimbStyle(NamedTuple):
    """Half-width of body sticks and radius of body joints, in pixels."""

    width: int = 4
    radius: int = JOINT_RADIUS


def choose_style(height: int, width: int, sticks: LimbScaling) -> LimbStyle:
    """Limb width and joint radius for a map of this size."""
    if sticks == "plain":
        return LimbStyle()
    longer = max(height, width)
    ratio = 1 if longer < 500 else min(2 + longer // 1000, 7)
    return LimbStyle(4 * ratio, 4 * ratio if sticks == "xinsir" else JOINT_RADIUS)


def draw_pose(
    pose: Pose,
    *,
    body: bool = True,
    hands: bool = True,
    face: bool = True,
    animals: bool = True,
    sticks: LimbScaling = "plain",
) -> Canvas:
    """Draw all people and animals on black: uint8 [pose.height, pose.width, 3] RGB. Later ones cover earlier ones."""
    canvas: Canvas = np.zeros((pose.height, pose.width, 3), np.uint8)
    look = choose_style(pose.height, pose.width, sticks)
    for person in pose.people:
        if body:
            draw_body(canvas, person.body, look)
        if hands:
            draw_hand(canvas, person.left_hand)
            draw_hand(canvas, person.right_hand)
        if face:
            draw_face(canvas, person.face)
    for animal in pose.animals if animals else ():
        draw_animal(canvas, animal)
    return canvas


def draw_body(canvas: Canvas, slots: Keypoints, look: LimbStyle) -> None:
    """Limbs as filled ellipses, then joints."""
    for (first, second), colour in zip(LIMBS, COLOURS, strict=False):
        start, end = slots[first], slots[second]
        if start is not None and end is not None and _is_body_drawable(start) and _is_body_drawable(end):
            _draw_limb(canvas, start, end, look.width, _dim(colour))
    for point, colour in zip(slots, COLOURS, strict=True):
        if point is not None and _is_body_drawable(point):
            cv2.circle(canvas, _to_pixel(point), look.radius, colour, thickness=-1)


def _dim(colour: Colour) -> Colour:
    red, green, blue = (int(part * LIMB_SHARE) for part in colour)
    return red, green, blue


def _draw_limb(canvas: Canvas, start: Keypoint, end: Keypoint, stick: int, colour: Colour) -> None:
    (x0, y0), (x1, y1) = ((_limit(point.x), _limit(point.y)) for point in (start, end))
    middle = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    across, down = x0 - x1, y0 - y1
    axes = (int(math.hypot(across, down) / 2), stick)
    outline = cv2.ellipse2Poly(middle, axes, int(math.degrees(math.atan2(down, across))), 0, 360, 1)
    cv2.fillConvexPoly(canvas, np.asarray(outline), colour)


def draw_hand(canvas: Canvas, slots: Keypoints | None) -> None:
    """Bones in the colours of the rainbow, then blue joints."""
    if slots is None:
        return
    for index, (first, second) in enumerate(FINGERS):
        start, end = slots[first], slots[second]
        if start is not None and end is not None and _is_drawable(start) and _is_drawable(end):
            red, green, blue = (int(part * 255) for part in colorsys.hsv_to_rgb(index / len(FINGERS), 1.0, 1.0))
            cv2.line(canvas, _to_pixel(start), _to_pixel(end), (red, green, blue), thickness=2)
    _draw_dots(canvas, slots, 4, HAND_JOINT)


def draw_face(canvas: Canvas, slots: Keypoints | None) -> None:
    """White dots."""
    if slots is not None:
        _draw_dots(canvas, slots, 3, FACE_DOT)


def draw_animal(canvas: Canvas, slots: Keypoints) -> None:
    """Limbs as lines, each in its colour."""
    for (first, second), colour in zip(ANIMAL_LIMBS, ANIMAL_COLOURS, strict=True):
        start, end = slots[first], slots[second]
        if start is not None and end is not None and _is_drawable(start) and _is_drawable(end):
            cv2.line(canvas, _to_pixel(start), _to_pixel(end), colour, thickness=ANIMAL_STICK)


def _draw_dots(canvas: Canvas, slots: Keypoints, radius: int, colour: Colour) -> None:
    for point in slots:
        if point is not None and _is_drawable(point):
            cv2.circle(canvas, _to_pixel(point), radius, colour, thickness=-1)


def _is_body_drawable(point: Keypoint) -> bool:
    return abs(point.x) > MARGIN and abs(point.y) > MARGIN


def _is_drawable(point: Keypoint) -> bool:
    return point.x > MARGIN and point.y > MARGIN


def _to_pixel(point: Keypoint) -> tuple[int, int]:
    return int(_limit(point.x)), int(_limit(point.y))


def _limit(value: float) -> float:
    return max(-FARTHEST, min(value, FARTHEST))
