"""Colouring of parts of faces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.poses.face_regions import COLOURS, PARTS, draw_face_regions
from underdrawing.core.poses.model import FACE, Keypoint, Person, Pose


def face(**gaps: bool) -> Pose:
    """A drawn face: every part is a ring of its own."""
    slots: list[Keypoint | None] = [None] * FACE
    centres = {"left_eye": (30, 40), "right_eye": (70, 40), "nose": (50, 55)}
    for part, (x, y) in centres.items():
        ring = PARTS[part]
        for i, slot in enumerate(ring):
            turn = 2 * math.pi * i / len(ring)
            slots[slot] = Keypoint(x + 8 * math.cos(turn), y + 8 * math.sin(turn))
    for i in range(12):  # outer lips from the left corner over the top
        turn = math.pi + 2 * math.pi * i / 12
        slots[48 + i] = Keypoint(50 + 20 * math.cos(turn), 80 + 14 * math.sin(turn))
    for i in range(8):
        turn = math.pi + 2 * math.pi * i / 8
        slots[60 + i] = Keypoint(50 + 12 * math.cos(turn), 80 + 6 * math.sin(turn))
    return Pose((Person(face=tuple(slots)), Person()), 100, 100)


def rgb(part: str) -> list[int]:
    return [int(number) for number in COLOURS[part][4:-1].split(",")]


@pytest.mark.parametrize(
    ("part", "x", "y"),
    [("left_eye", 30, 40), ("right_eye", 70, 40), ("nose", 50, 55), ("upper_lip", 50, 70), ("inner_mouth", 50, 80)],
)
def test_parts_have_their_colours(part: str, x: int, y: int) -> None:
    assert draw_face_regions(face(), {})[y, x].tolist() == rgb(part)


def test_the_lower_lip_is_below_the_mouth() -> None:
    assert draw_face_regions(face(), {})[90, 50].tolist() == rgb("lower_lip")


def test_the_inner_mouth_is_not_the_lip() -> None:
    painted = draw_face_regions(face(), {"inner_mouth": "#010203"})
    assert painted[80, 50].tolist() == [1, 2, 3]
    assert painted[70, 50].tolist() == rgb("upper_lip")


def test_points_are_dots() -> None:
    painted = draw_face_regions(face(), {}, "point")
    assert painted[40, 30].tolist() == [0, 0, 0]
    assert painted[40, 38].tolist() == rgb("left_eye")


def test_gaps_and_missing_faces_paint_nothing() -> None:
    assert not draw_face_regions(Pose((Person(), Person(face=(None,) * FACE)), 20, 10), {}).any()
    some = Pose((Person(face=(*[None] * 36, *[Keypoint(5, 5)] * 6, *[None] * 28)),), 20, 10)
    painted = draw_face_regions(some, {})
    assert np.argwhere(painted.any(-1)).tolist() == [[5, 5]]


def test_other_colours_are_refused() -> None:
    with pytest.raises(BadParameter, match="nose: 'beige-ish' is not a colour"):
        draw_face_regions(face(), {"nose": "beige-ish"})


def test_points_far_out_do_no_harm() -> None:
    far = tuple(Keypoint(1e12 * (-1) ** i, 5.0) for i in range(FACE))
    for mode in ("polygon", "point"):
        assert draw_face_regions(Pose((Person(face=far),), 20, 10), {}, mode).shape == (10, 20, 3)
