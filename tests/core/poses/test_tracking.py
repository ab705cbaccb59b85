"""Boxes around parts of bodies over frames."""

from __future__ import annotations

import pytest

from underdrawing.core.errors import BadImage, BadParameter
from underdrawing.core.poses.model import BODY, Keypoint, Person, Pose
from underdrawing.core.poses.tracking import AWAY, SIZES, draft_prompt, track_parts


def person(x: float, *gaps: int) -> Person:
    return Person(tuple(None if i in gaps else Keypoint(x + i, 10.0 * i) for i in range(BODY)))


FRAMES = [Pose((person(200), person(50)), 400, 300), Pose((person(60, 3),), 400, 300)]


def test_people_are_numbered_from_left_to_right() -> None:
    found = track_parts(FRAMES, {"Neck": "100, 40"})
    assert list(found) == ["Neck"]
    assert found["Neck"][0][0] == (50.5 - 50, 5 - 20, 50.5 + 50, 5 + 20, 400, 300)
    assert found["Neck"][1][0] == (200.5 - 50, -15, 250.5, 25, 400, 300)
    assert found["Neck"][0][1][:4] == (10.5, -15, 110.5, 25)


def test_what_is_not_seen_is_away() -> None:
    found = track_parts(FRAMES, {"RArm": "10, 10", "LArm": "10,10"})
    assert found["RArm"][0][1] == (AWAY,) * 4 + (400, 300)
    assert found["LArm"][0][1][0] != AWAY
    assert found["LArm"][1][1] == (AWAY,) * 4 + (400, 300)


def test_who_and_what_is_followed() -> None:
    assert list(track_parts(FRAMES, SIZES)) == [part for part, size in SIZES.items() if size]
    assert list(track_parts(FRAMES, SIZES, " 1 ")["Head"]) == [1]
    assert track_parts(FRAMES, SIZES, "7")["Head"] == {}
    assert draft_prompt(track_parts(FRAMES, {"RForearm": "9,9", "Torso": "8,8"}, "1")) == (
        '"1.Torso": "(torso)",\n"1.RForearm": "(forearm)",\n'
    )


def test_mistakes_are_named() -> None:
    for size in ("10", "10,0", "1,2,3", "a,b", "-1,2"):
        with pytest.raises(BadParameter, match="Head"):
            track_parts(FRAMES, {"Head": size})
    with pytest.raises(BadParameter, match="id_include"):
        track_parts(FRAMES, SIZES, "all")
    with pytest.raises(BadImage, match="no pose"):
        track_parts([], SIZES)


def test_people_with_numbers_are_followed_by_them() -> None:
    right, left = (Person(person(x).body, person_id=number) for x, number in ((200, 0), (50, 4)))
    found = track_parts([Pose((right, left), 400, 300), Pose((left,), 400, 300)], {"Neck": "10, 10"})
    assert list(found["Neck"]) == [0, 4]
    assert [box[0] for box in found["Neck"][0].values()] == [195.5, AWAY]
    assert [box[0] for box in found["Neck"][4].values()] == [45.5, 45.5]
