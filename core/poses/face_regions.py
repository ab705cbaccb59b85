"""Regions of a face: their keypoints, their default colours, and a picture of them.

Source of the keypoints: the 68 of iBUG 300-W; of the colours: LaPa (Liu et al. 2020, arXiv:1911.11313). ComfyUI's node
of this name paints the upper lip's outline for the inner mouth and the inner mouth for the lower lip; here they are
what they are called. numpy, OpenCV and Pillow are imported inside functions, so that nodes can be listed without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..errors import BadParameter
from ..images.geometry import Size, find_target_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from .model import Pose

Mode = Literal["point", "polygon"]

DOT = 2
"""Radius of a keypoint."""

PARTS: dict[str, tuple[int, ...]] = {
    "skin": (*range(17), *range(26, 16, -1)),
    "left_eye": tuple(range(36, 42)),
    "right_eye": tuple(range(42, 48)),
    "nose": tuple(range(27, 36)),
    "upper_lip": (*range(48, 55), *range(64, 59, -1)),
    "inner_mouth": tuple(range(60, 68)),
    "lower_lip": (*range(54, 60), 48, 60, *range(67, 63, -1)),
}
"""Part → its outline, in drawing order; left and right as seen in the picture."""

COLOURS = {
    "skin": "rgb(0, 153, 255)",
    "left_eye": "rgb(0, 204, 153)",
    "right_eye": "rgb(255, 153, 0)",
    "nose": "rgb(255, 102, 255)",
    "upper_lip": "rgb(102, 0, 51)",
    "inner_mouth": "rgb(255, 204, 255)",
    "lower_lip": "rgb(255, 0, 102)",
}
"""Part → its default colour."""


def draw_face_regions(pose: Pose, colours: Mapping[str, str], mode: Mode = "polygon") -> NDArray[np.uint8]:
    """Paint every face on black: uint8 [pose.height, pose.width, 3] RGB; keypoints that were not found are skipped.

    colours: part → CSS colour; parts without one keep the default. Raises BadParameter for what is no colour, BadImage
    for a canvas that is too large.
    """
    import numpy as np

    from .drawing import FARTHEST

    canvas = np.zeros((*find_target_size(Size(pose.height, pose.width), 0), 3), np.uint8)
    painted = {part: _parse_colour(part, colours.get(part, COLOURS[part])) for part in PARTS}
    for person in pose.people:
        for part, slots in PARTS.items() if person.face is not None else ():
            found = [point for slot in slots if (point := (person.face or ())[slot]) is not None]
            places = np.array([point[:2] for point in found], np.float64).reshape(-1, 2)
            points = places.clip(-FARTHEST, FARTHEST).astype(np.int32)
            _draw_region(canvas, points, painted[part], mode)
    return canvas


def _draw_region(
    canvas: NDArray[np.uint8], points: NDArray[np.int32], colour: tuple[int, int, int], mode: Mode
) -> None:
    import cv2

    if mode == "polygon" and len(points):
        cv2.fillPoly(canvas, [points], colour)
    for x, y in points.tolist() if mode == "point" else ():
        cv2.circle(canvas, (x, y), DOT, colour, thickness=-1)


def _parse_colour(part: str, text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise BadParameter(
            f"{text!r} is not a colour", where=part, fix="write rgb(0, 153, 255), #0099ff or blue"
        ) from error
    return red, green, blue
