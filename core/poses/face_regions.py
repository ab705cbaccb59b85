"""Paints the parts of faces in colours of their own. Imported lazily (needs numpy, OpenCV and Pillow).

ComfyUI's node of this name paints the upper lip's outline for the inner mouth and the inner mouth for the lower lip;
here they are what they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from ..errors import BadParameter
from ..images.geometry import Size, target_size
from .drawing import FARTHEST
from .face_names import COLOURS, PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .model import Pose

Mode = Literal["point", "polygon"]

DOT = 2


def face_parts(pose: Pose, colours: Mapping[str, str], mode: Mode = "polygon") -> NDArray[np.uint8]:
    """Paint every face on black: uint8 [pose.height, pose.width, 3] RGB; points that were not found are passed over.

    colours: part → CSS colour; parts without one keep the default. Raises BadParameter for what is no colour, BadImage
    for a canvas that is too large.
    """
    canvas = np.zeros((*target_size(Size(pose.height, pose.width), 0), 3), np.uint8)
    painted = {part: _rgb(part, colours.get(part, COLOURS[part])) for part in PARTS}
    for person in pose.people:
        for part, slots in PARTS.items() if person.face is not None else ():
            found = [point for slot in slots if (point := (person.face or ())[slot]) is not None]
            places = np.array([point[:2] for point in found], np.float64).reshape(-1, 2)
            points = places.clip(-FARTHEST, FARTHEST).astype(np.int32)
            _paint(canvas, points, painted[part], mode)
    return canvas


def _paint(canvas: NDArray[np.uint8], points: NDArray[np.int32], colour: tuple[int, int, int], mode: Mode) -> None:
    if mode == "polygon" and len(points):
        cv2.fillPoly(canvas, [points], colour)
    for x, y in points.tolist() if mode == "point" else ():
        cv2.circle(canvas, (x, y), DOT, colour, thickness=-1)


def _rgb(part: str, text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise BadParameter(
            f"{text!r} is no colour", where=part, fix="write rgb(0, 153, 255), #0099ff or blue"
        ) from error
    return red, green, blue
