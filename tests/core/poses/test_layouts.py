from __future__ import annotations

import pytest

from underdrawing.core.poses.layouts import LAYOUTS, find_middle, find_slot, to_body
from underdrawing.core.poses.model import BODY, Keypoint
from underdrawing.core.poses.names import JOINTS


@pytest.mark.parametrize("count", LAYOUTS)
def test_every_layout_gives_eighteen_different_keypoints(count: int) -> None:
    layout = LAYOUTS[count]
    assert len(layout.body) == BODY
    places = [place for place in layout.body if place is not None]
    assert len(set(places)) == len(places)
    assert max(places) < count
    body = to_body(tuple(Keypoint(float(i), 0.0) for i in range(count)), layout)
    assert sum(point is not None for point in body) >= 13


@pytest.mark.parametrize(
    ("name", "joint"),
    [
        ("left_wrist", "left_wrist"),
        ("leftWrist", "left_wrist"),
        ("LWrist", "left_wrist"),
        ("Right Ankle", "right_ankle"),
        ("RShoulder", "right_shoulder"),
        ("NOSE", "nose"),
        ("Neck", "neck"),
    ],
)
def test_names_in_every_spelling(name: str, joint: str) -> None:
    assert find_slot(name) == JOINTS[joint]


def test_unknown_names_have_no_slot() -> None:
    assert find_slot("left_tail") is None
    assert find_slot("") is None


def test_the_middle_needs_both() -> None:
    assert find_middle(Keypoint(0, 2, 0.5), Keypoint(4, 4, 0.9)) == Keypoint(2, 3, 0.5)
    assert find_middle(None, Keypoint(4, 4)) is None
