"""Changes of poses."""

from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.pose_edit import MIRRORED_BODY, MIRRORED_FACE, chosen, mirrored, moved, parts
from underdrawing.core.poses import BODY, FACE, HAND, Person, Point, Pose


def person(start: float = 0.0) -> Person:
    def slots(count: int) -> tuple[Point | None, ...]:
        return tuple(Point(start + i, 2.0 * i, 0.5) for i in range(count))

    return Person(slots(BODY), slots(FACE), slots(HAND), slots(HAND)[::-1])


POSE = Pose((person(), person(100)), 400, 300)


def test_people_are_chosen_in_order() -> None:
    assert chosen(POSE, "") is POSE
    assert chosen(POSE, "2, 1").people == POSE.people[::-1]
    assert chosen(POSE, "7").people == ()
    for bad in ("0", "a", "1,,2", "1;2", "-1"):
        with pytest.raises(BadParameter, match="list of people"):
            chosen(POSE, bad)


def test_parts_are_dropped() -> None:
    bare = parts(POSE, hands=False, face=False).people[0]
    assert (bare.face, bare.left_hand, bare.right_hand) == (None, None, None)
    assert bare.body == POSE.people[0].body
    assert set(parts(POSE, body=False).people[0].body) == {None}


def test_moving_keeps_confidence_and_canvas() -> None:
    there = moved(POSE, scale=2.0, right=0.5, down=-0.5)
    assert (there.width, there.height) == (400, 300)
    assert there.people[0].body[0] == Point(0.0, -300.0, 0.5)
    assert moved(POSE) == POSE


def test_a_mirror_exchanges_sides_and_undoes_itself() -> None:
    turned = mirrored(POSE)
    right_wrist, left_wrist = POSE.people[0].body[4], turned.people[0].body[7]
    assert right_wrist is not None
    assert left_wrist == Point(400 - right_wrist.x, right_wrist.y, right_wrist.confidence)
    assert turned.people[0].left_hand is not None
    assert turned.people[0].left_hand[0] == Point(400 - 20.0, 40.0, 0.5)
    assert mirrored(turned) == POSE


@pytest.mark.parametrize("order", [MIRRORED_BODY, MIRRORED_FACE])
def test_mirrors_are_their_own_inverse(order: tuple[int, ...]) -> None:
    assert tuple(order[i] for i in order) == tuple(range(len(order)))
    middle = [i for i, j in enumerate(order) if i == j]
    assert middle == ([0, 1] if len(order) == BODY else [8, 27, 28, 29, 30, 33, 51, 57, 62, 66])
