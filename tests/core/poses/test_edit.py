"""Changes of poses: each exactly, and what holds for all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.pose_strategies import keypoints

from underdrawing.core.errors import BadParameter
from underdrawing.core.images.geometry import Size, plan_fit
from underdrawing.core.poses.edit import (
    MIRRORED_ANIMAL,
    MIRRORED_BODY,
    MIRRORED_FACE,
    drop_keypoints,
    mirror,
    move_keypoints,
    move_people,
    retarget,
    scale_limbs,
    select_parts,
    select_people,
)
from underdrawing.core.poses.model import ANIMAL, BODY, FACE, HAND, Keypoint, Person, Pose, list_parts
from underdrawing.core.poses.names import JOINTS, LIMBS, PARENTS, parse_move, parse_selectors

if TYPE_CHECKING:
    from underdrawing.core.images.geometry import FitMode
    from underdrawing.core.poses.model import Keypoints


def person(start: float = 0.0) -> Person:
    def slots(count: int) -> tuple[Keypoint | None, ...]:
        return tuple(Keypoint(start + i, 2.0 * i, 0.5) for i in range(count))

    return Person(slots(BODY), slots(FACE), slots(HAND), slots(HAND)[::-1])


BEAST = tuple(Keypoint(3.0 * i, 200.0 - i, 0.25) for i in range(ANIMAL))
POSE = Pose((person(), person(100)), 400, 300, (BEAST,))
numbers = st.floats(-500, 900, allow_nan=False)
point = st.builds(Keypoint, numbers, numbers, st.floats(0.01, 1))


def seen(count: int) -> st.SearchStrategy[Keypoints | None]:
    return st.none() | keypoints(point, count, least=1)


people = st.builds(Person, keypoints(point, BODY), seen(FACE), seen(HAND), seen(HAND))
poses = st.builds(
    Pose,
    st.lists(people, max_size=2).map(tuple),
    st.integers(1, 800),
    st.integers(1, 800),
    st.lists(keypoints(point, ANIMAL, least=1), max_size=1).map(tuple),
)


def test_people_are_chosen_in_order() -> None:
    assert select_people(POSE, "") is POSE
    assert select_people(POSE, "2, 1").people == POSE.people[::-1]
    assert select_people(POSE, "7").people == ()
    for bad in ("0", "a", "1,,2", "1;2", "-1"):
        with pytest.raises(BadParameter, match="list of people"):
            select_people(POSE, bad)


def test_parts_are_dropped() -> None:
    bare = select_parts(POSE, hands=False, face=False).people[0]
    assert (bare.face, bare.left_hand, bare.right_hand) == (None, None, None)
    assert bare.body == POSE.people[0].body
    assert set(select_parts(POSE, body=False).people[0].body) == {None}


def test_moving_keeps_confidence_and_canvas() -> None:
    there = move_people(POSE, scale=2.0, right=0.5, down=-0.5)
    assert (there.width, there.height) == (400, 300)
    assert there.people[0].body[0] == Keypoint(0.0, -300.0, 0.5)
    assert move_people(POSE) == POSE


def test_a_mirror_exchanges_sides_and_undoes_itself() -> None:
    turned = mirror(POSE)
    right_wrist, left_wrist = POSE.people[0].body[4], turned.people[0].body[7]
    assert right_wrist is not None
    assert left_wrist == Keypoint(400 - right_wrist.x, right_wrist.y, right_wrist.confidence)
    assert turned.people[0].left_hand is not None
    assert turned.people[0].left_hand[0] == Keypoint(400 - 20.0, 40.0, 0.5)
    assert mirror(turned) == POSE


@pytest.mark.parametrize(
    ("order", "middle"),
    [
        (MIRRORED_BODY, [0, 1]),
        (MIRRORED_FACE, [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]),
        (MIRRORED_ANIMAL, [2, 3, 4]),
    ],
)
def test_mirrors_are_their_own_inverse(order: tuple[int, ...], middle: list[int]) -> None:
    assert tuple(order[i] for i in order) == tuple(range(len(order)))
    assert [i for i, j in enumerate(order) if i == j] == middle


def test_animals_are_edited_with_the_people() -> None:
    assert select_parts(POSE, animals=False).animals == ()
    assert select_people(POSE, "1").animals == (BEAST,)
    (turned,) = mirror(POSE).animals
    assert turned[5] == Keypoint(400 - BEAST[8].x, BEAST[8].y, 0.25)
    (there,) = move_people(POSE, right=0.5).animals
    assert there[1] == Keypoint(BEAST[1].x + 200, BEAST[1].y, 0.25)


def body(**joints: tuple[float, float]) -> Keypoints:
    slots: list[Keypoint | None] = [None] * BODY
    for name, (x, y) in joints.items():
        slots[JOINTS[name]] = Keypoint(x, y)
    return tuple(slots)


def one(slots: Keypoints, **more: Any) -> Pose:
    return Pose((Person(slots, **more),), 400, 300)


def at(pose: Pose, name: str, person: int = 0) -> tuple[float, float]:
    found = pose.people[person].body[JOINTS[name]]
    assert found is not None
    return found.x, found.y


# Points.


def test_points_are_dropped() -> None:
    bare = drop_keypoints(POSE, parse_selectors("right_wrist, 2:face, left_hand.3, 1:right_hand, animal.2"))
    first, second = bare.people
    assert [i for i, p in enumerate(first.body) if p is None] == [4]
    assert first.face == POSE.people[0].face
    assert second.face is None
    assert first.right_hand is None
    assert second.right_hand == POSE.people[1].right_hand
    assert [[i for i, p in enumerate(p.left_hand or ()) if p is None] for p in bare.people] == [[3], [3]]
    assert [i for i, p in enumerate(bare.animals[0]) if p is None] == [2]
    assert drop_keypoints(POSE, parse_selectors("9:nose")) == POSE
    assert drop_keypoints(POSE, parse_selectors("animal")).animals == ()


def test_points_go_where_they_are_told() -> None:
    there = move_keypoints(
        POSE,
        [
            parse_move("2:nose=120,80.5"),
            parse_move("left_wrist=+10,-5"),
            parse_move("1:face=-1,+2"),
            parse_move("animal.0=+1,+1"),
        ],
    )
    assert there.people[1].body[0] == Keypoint(120, 80.5)
    assert there.people[0].body[0] == POSE.people[0].body[0]
    for before, after in zip(POSE.people, there.people, strict=True):
        old, new = before.body[7], after.body[7]
        assert old is not None
        assert new == Keypoint(old.x + 10, old.y - 5, old.confidence)
    assert there.people[0].face == tuple(Keypoint(p.x - 1, p.y + 2, 0.5) for p in POSE.people[0].face or () if p)
    assert there.people[1].face == POSE.people[1].face
    assert there.animals[0][0] == Keypoint(BEAST[0].x + 1, BEAST[0].y + 1, 0.25)


def test_a_gap_can_be_filled_but_not_shifted() -> None:
    pose = one(body(neck=(50, 50)))
    assert at(move_keypoints(pose, [parse_move("nose=50,20")]), "nose") == (50, 20)
    assert move_keypoints(pose, [parse_move("nose=+5,+5")]) == pose
    face = move_keypoints(pose, [parse_move("face.30=60,60")]).people[0].face
    assert face is not None
    assert [i for i, p in enumerate(face) if p] == [30]


def test_several_people_are_not_put_on_one_spot() -> None:
    with pytest.raises(BadParameter, match="one position"):
        move_keypoints(POSE, [parse_move("nose=5,5")])
    assert move_keypoints(Pose((), 4, 4), [parse_move("nose=5,5")]) == Pose((), 4, 4)


# Limbs.


def test_a_longer_limb_takes_along_what_hangs_on_it() -> None:
    hand = (Keypoint(100, 90), *[None] * 20)
    arm = body(
        neck=(50, 50), right_shoulder=(60, 50), right_elbow=(80, 50), right_wrist=(100, 90), left_shoulder=(40, 50)
    )
    there = scale_limbs(one(arm, right_hand=hand), {"right_upper_arm": 1.5})
    assert at(there, "right_shoulder") == (60, 50)
    assert at(there, "right_elbow") == (90, 50)
    assert at(there, "right_wrist") == (110, 90)
    assert at(there, "left_shoulder") == (40, 50)
    assert there.people[0].right_hand == (Keypoint(110, 90), *[None] * 20)


def test_limbs_of_both_sides_and_groups() -> None:
    legs = body(neck=(50, 50), right_hip=(40, 100), right_knee=(40, 140), right_ankle=(40, 180), left_hip=(60, 100))
    there = scale_limbs(one(legs), {"legs": 2, "torso": 0.5})
    assert at(there, "right_hip") == (45, 75)
    assert at(there, "right_knee") == (45, 155)
    assert at(there, "right_ankle") == (45, 235)
    assert at(there, "left_hip") == (55, 75)
    assert scale_limbs(one(legs), {"thighs": 2, "shins": 2}) == scale_limbs(one(legs), {"legs": 2})


def test_a_bone_with_a_gap_keeps_its_length() -> None:
    arm = body(right_shoulder=(60, 50), right_wrist=(100, 90), neck=(50, 50))
    there = scale_limbs(one(arm), {"shoulders": 2, "arms": 3})
    assert at(there, "right_shoulder") == (70, 50)
    assert at(there, "right_wrist") == (110, 90)


def test_hands_grow_from_the_wrist_and_faces_from_the_nose() -> None:
    hand = (Keypoint(10, 10), Keypoint(20, 30), *[None] * 19)
    face = (Keypoint(40, 44), *[None] * 69)
    pose = one(body(nose=(50, 50)), left_hand=hand, right_hand=hand, face=face)
    there = scale_limbs(pose, {"hands": 2, "left_hand": 0.25, "face": 2}).people[0]
    assert (there.left_hand or ())[:2] == (Keypoint(10, 10), Keypoint(15, 20))
    assert (there.right_hand or ())[:2] == (Keypoint(10, 10), Keypoint(30, 50))
    assert (there.face or ())[:1] == (Keypoint(30, 38),)


def test_every_joint_hangs_on_the_neck() -> None:
    assert set(PARENTS) == set(range(BODY)) - {1}
    assert {slot for name in ("torso", "head", "shoulders", "arms", "legs") for slot in LIMBS[name]} == set(PARENTS)


# Canvases.


@pytest.mark.parametrize(("mode", "there"), [("just", (100, 150)), ("crop", (0, 150)), ("fill", (100, 225))])
def test_a_canvas_is_met_in_three_ways(mode: FitMode, there: tuple[float, float]) -> None:
    pose = retarget(one(body(nose=(200, 150), neck=(100, 75))), Size(600, 400), mode)
    assert (pose.height, pose.width) == (600, 400)
    assert at(pose, "nose") == (200, 300)
    assert at(pose, "neck") == there


# What holds for all.


@settings(max_examples=30, deadline=None)
@given(poses)
def test_edits_of_nothing_change_nothing(pose: Pose) -> None:
    assert move_people(pose, scale=1.0) == pose
    assert scale_limbs(pose, dict.fromkeys(LIMBS, 1.0)) == pose
    assert retarget(pose, Size(pose.height, pose.width)) == pose
    assert drop_keypoints(pose, []) == move_keypoints(pose, []) == select_parts(pose) == select_people(pose, "") == pose


@settings(max_examples=30, deadline=None)
@given(poses)
def test_a_mirror_undoes_itself(pose: Pose) -> None:
    assert _close(mirror(mirror(pose)), pose)


@settings(max_examples=30, deadline=None)
@given(poses, st.sampled_from(sorted(set(LIMBS) - {"face", "hands", "left_hand", "right_hand"})), st.floats(0.2, 5))
def test_limbs_are_as_long_as_asked(pose: Pose, limb: str, factor: float) -> None:
    there = scale_limbs(pose, {limb: factor})
    for before, after in zip(pose.people, there.people, strict=True):
        for child, parent in PARENTS.items():
            ends, moved_ends = ([person.body[i] for i in (child, parent)] for person in (before, after))
            if None not in ends:
                wanted = _length(ends) * (factor if child in LIMBS[limb] else 1)
                assert _length(moved_ends) == pytest.approx(wanted, abs=1e-6)
    assert _close(scale_limbs(there, {limb: 1 / factor}), pose)


@settings(max_examples=30, deadline=None)
@given(poses, st.integers(1, 900), st.integers(1, 900), st.sampled_from(["just", "crop", "fill"]))
def test_a_canvas_and_back(pose: Pose, height: int, width: int, mode: FitMode) -> None:
    there = retarget(pose, Size(height, width), mode)
    assert (there.height, there.width) == (height, width)
    plan = plan_fit(Size(pose.height, pose.width), Size(height, width), mode)
    corner = retarget(one(body(nose=(0, 0), neck=(400, 300))), Size(height, width), mode)
    own = plan_fit(Size(300, 400), Size(height, width), mode)
    assert at(corner, "nose") == (own.left, own.top)
    assert at(corner, "neck") == pytest.approx((own.left + own.scaled.width, own.top + own.scaled.height))
    if mode == "just":
        assert (plan.left, plan.top) == (0, 0)
        assert _close(retarget(there, Size(pose.height, pose.width)), pose)


@settings(max_examples=30, deadline=None)
@given(poses, st.sampled_from([*JOINTS, "face", "left_hand.0", "right_hand", "animal.4", "2:nose"]))
def test_what_is_dropped_is_gone_and_the_rest_stays(pose: Pose, name: str) -> None:
    bare = drop_keypoints(pose, parse_selectors(name))
    count = sum(point is not None for point in _points(bare))
    assert drop_keypoints(bare, parse_selectors(name)) == bare
    assert count <= sum(point is not None for point in _points(pose))
    assert len(bare.people) == len(pose.people)


def _length(ends: list[Keypoint | None]) -> float:
    one, other = ends
    assert one is not None
    assert other is not None
    return math.dist(one[:2], other[:2])


def _points(pose: Pose) -> list[Keypoint | None]:
    slots = [part for person in pose.people for part in list_parts(person) if part is not None]
    return [point for part in (*slots, *pose.animals) for point in part]


def _close(one: Pose, other: Pose) -> bool:
    return [p and pytest.approx(tuple(p), abs=1e-6) for p in _points(one)] == [p and tuple(p) for p in _points(other)]
