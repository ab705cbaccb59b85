"""Draws face meshes as ControlNetMediaPipeFace was trained to see them. Needs numpy, OpenCV.

Source of colours and line width: CrucibleAI/ControlNetMediaPipeFace, as the peers' `mediapipe_face` draws them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .topology import INNER_LIPS, LEFT_BROW, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_BROW, RIGHT_EYE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.images.geometry import Size
    from .faces import Face

    Array = NDArray[np.float32]
    Canvas = NDArray[np.uint8]

Colour = tuple[int, int, int]

CONTOURS: tuple[tuple[Colour, tuple[tuple[int, ...], ...]], ...] = (
    ((10, 180, 10), (OUTER_LIPS, INNER_LIPS)),
    ((180, 200, 10), (RIGHT_EYE,)),
    ((180, 220, 10), RIGHT_BROW),
    ((10, 200, 180), (LEFT_EYE,)),
    ((10, 220, 180), LEFT_BROW),
    ((10, 200, 10), (OVAL,)),
)
"""RGB and paths of mesh points, in drawing order."""

PUPILS: tuple[Colour, Colour] = ((250, 200, 10), (10, 200, 250))
"""RGB of the right and the left pupil, squares of 4 x 4 pixels."""
THICKNESS = 2


def draw_faces(faces: Sequence[Face], source: Size, size: Size) -> Canvas:
    """Paint faces, given in pixels of a picture of size source, on black: uint8 [*size, 3] RGB."""
    canvas: Canvas = np.zeros((*size, 3), np.uint8)
    scale = np.array([size.width / source.width, size.height / source.height], np.float32)
    for face in faces:
        _draw(canvas, face.points * scale, face.irises * scale)
    return canvas


def _draw(canvas: Canvas, points: Array, irises: Array) -> None:
    height, width = canvas.shape[:2]
    inside = np.all((points >= 0) & (points < (width, height)), axis=1)
    for colour, paths in CONTOURS:
        for start, end in (pair for path in paths for pair in pairwise(path)):
            if inside[start] and inside[end]:
                cv2.line(canvas, _pixel(points[start]), _pixel(points[end]), colour, THICKNESS)
    for place, colour in zip(irises, PUPILS, strict=True):
        x, y = _pixel(place)
        canvas[max(y - 2, 0) : max(y + 2, 0), max(x - 2, 0) : max(x + 2, 0)] = colour


def _pixel(place: Array) -> tuple[int, int]:
    return int(np.floor(place[0])), int(np.floor(place[1]))
