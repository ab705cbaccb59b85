from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.pose_strategies import keypoints

from underdrawing.core.errors import BadImage
from underdrawing.core.images.geometry import Size
from underdrawing.core.poses.edit import drop_keypoints, mirror, scale_limbs, select_parts
from underdrawing.core.poses.model import (
    BODY,
    FACE,
    HAND,
    Keypoint,
    Person,
    Pose,
    parse_person_id,
    scale_pose,
    to_openpose,
)
from underdrawing.core.poses.names import parse_selectors
from underdrawing.core.poses.reading import from_openpose

if TYPE_CHECKING:
    from collections.abc import Callable

numbers = st.floats(1.5, 4000)
point = st.builds(Keypoint, numbers, numbers, st.floats(0.01, 1))


def slots(count: int) -> st.SearchStrategy[tuple[Keypoint | None, ...]]:
    """At least one point: an empty part cannot be told from relative coordinates, nor need it be."""
    return keypoints(point, count, least=1)


def parts(count: int) -> st.SearchStrategy[tuple[Keypoint | None, ...] | None]:
    return st.none() | slots(count)


people = st.builds(Person, slots(BODY), parts(FACE), parts(HAND), parts(HAND), st.none() | st.integers(0, 99))
poses = st.builds(Pose, st.lists(people, max_size=2).map(tuple), st.integers(1, 4000), st.integers(1, 4000))


@given(poses)
def test_json_with_confidences_is_the_whole_pose(pose: Pose) -> None:
    assert from_openpose(json.loads(json.dumps(to_openpose(pose, confidences=True)))) == pose


@given(poses)
def test_json_without_confidences_keeps_places_and_gaps(pose: Pose) -> None:
    data = to_openpose(pose)
    back = from_openpose(data)
    assert to_openpose(back) == data
    for person, other in zip(pose.people, back.people, strict=True):
        assert [p and (p.x, p.y, 1.0) for p in person.body] == [p and tuple(p) for p in other.body]
        assert (person.face is None) == (other.face is None)


@given(poses, st.integers(1, 3000), st.integers(1, 3000))
def test_scaling_there_and_back(pose: Pose, height: int, width: int) -> None:
    there = scale_pose(pose, Size(height, width))
    assert (there.height, there.width) == (height, width)
    back = scale_pose(there, Size(pose.height, pose.width))
    for person, other in zip(pose.people, back.people, strict=True):
        for p, q in zip(person.body, other.body, strict=True):
            assert (p is None) == (q is None)
            if p is not None and q is not None:
                assert tuple(q) == pytest.approx(tuple(p))


def test_the_json_has_the_agreed_keys_and_lengths() -> None:
    body = (Keypoint(10, 20, 0.5), *[None] * 17)
    data = to_openpose(Pose((Person(body, left_hand=(Keypoint(1.5, 2, 0.25), *[None] * 20)),), 640, 480))
    assert list(data) == ["people", "canvas_height", "canvas_width"]
    assert (data["canvas_height"], data["canvas_width"]) == (480, 640)
    (person,) = data["people"]
    assert list(person) == [
        "pose_keypoints_2d",
        "face_keypoints_2d",
        "hand_left_keypoints_2d",
        "hand_right_keypoints_2d",
    ]
    assert person["pose_keypoints_2d"] == [10, 20, 1] + [0] * 51
    assert person["hand_left_keypoints_2d"] == [1.5, 2, 1] + [0] * 60
    assert person["face_keypoints_2d"] is None
    assert person["hand_right_keypoints_2d"] is None


def test_each_part_has_its_own_convention() -> None:
    data = {
        "people": [
            {
                "pose_keypoints_2d": [0.5, 0.25, 1] + [0.0] * 51,
                "hand_left_keypoints_2d": [100, 50, 1] + [0] * 60,
                "face_keypoints_2d": [1, 1, 0.5] * 68,
                "hand_right_keypoints_2d": [],
            }
        ],
        "canvas_width": 200,
        "canvas_height": 100,
        "animals": [],
    }
    (person,) = from_openpose(data).people
    assert person.body[0] == Keypoint(100, 25, 1)
    assert person.body[1:] == (None,) * 17
    assert person.left_hand is not None
    assert person.left_hand[0] == Keypoint(100, 50, 1)
    assert person.face == (*[Keypoint(200, 100, 0.5)] * 68, None, None)
    assert person.right_hand is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"people": [], "canvas_width": 4},
        {"people": [], "canvas_width": 0, "canvas_height": 4},
        {"people": [{"pose_keypoints_2d": [1, 2]}], "canvas_width": 4, "canvas_height": 4},
        {"people": [{"pose_keypoints_2d": [1, 2, 1] * 21}], "canvas_width": 4, "canvas_height": 4},
        {"people": [{"pose_keypoints_2d": ["x"] * 54}], "canvas_width": 4, "canvas_height": 4},
        {"people": [{"face_keypoints_2d": [1, 2, 1] * 66 + [1]}], "canvas_width": 4, "canvas_height": 4},
    ],
)
def test_other_json_is_refused_with_the_expected_form(data: object) -> None:
    with pytest.raises(BadImage, match=r"expected \{people"):
        from_openpose(data)


def test_who_somebody_is_stays_through_json_and_edits() -> None:
    body = (Keypoint(100.5, 100), *(None,) * (BODY - 1))
    pose = Pose((Person(body, person_id=7), Person(body)), 640, 480)
    document = to_openpose(pose)
    assert [one.get("person_id") for one in document["people"]] == [[7], None]
    edits: tuple[Callable[[Pose], Pose], ...] = (
        mirror,
        select_parts,
        partial(scale_limbs, factors={"legs": 1.2}),
        partial(scale_pose, size=Size(240, 320)),
        partial(drop_keypoints, places=parse_selectors("neck")),
    )
    assert [one.person_id for one in from_openpose(document).people] == [7, None]
    assert all([one.person_id for one in edit(pose).people] == [7, None] for edit in edits)


@pytest.mark.parametrize("given", [[-1], [], [1, 2], ["1"], True, None, [None], {}, 1.5, [2.0]])
def test_what_is_no_id_is_nobody(given: object) -> None:
    assert parse_person_id(given) is None
