"""Changes of poses: which people and parts stay, where they stand, which way they look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import BadParameter
from .poses import BODY, FACE, HAND, Person, Point, Pose, Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def chosen(pose: Pose, people: str) -> Pose:
    """Keep the people of a list such as "1, 3" (counted from 1, in that order); an empty list keeps everybody.

    Numbers beyond the last person are passed over. Raises BadParameter.
    """
    if not people.strip():
        return pose
    if re.fullmatch(r"\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*)*", people) is None:
        raise BadParameter(f"{people!r} is no list of people", where="people", fix="write numbers from 1, as in 1, 3")
    numbers = [int(number) - 1 for number in people.split(",")]
    return Pose(tuple(pose.people[n] for n in numbers if n < len(pose.people)), pose.width, pose.height)


def parts(pose: Pose, *, body: bool = True, hands: bool = True, face: bool = True) -> Pose:
    """Drop what is not wanted."""

    def kept(person: Person) -> Person:
        left, right = (person.left_hand, person.right_hand) if hands else (None, None)
        return Person(person.body if body else (None,) * BODY, person.face if face else None, left, right)

    return Pose(tuple(map(kept, pose.people)), pose.width, pose.height)


def moved(pose: Pose, *, scale: float = 1.0, right: float = 0.0, down: float = 0.0) -> Pose:
    """Scale everybody about the middle of the canvas, then move them by shares of its width and height."""
    x0, y0 = pose.width / 2, pose.height / 2

    def move(point: Point) -> Point:
        x = (point.x - x0) * scale + x0 + right * pose.width
        return Point(x, (point.y - y0) * scale + y0 + down * pose.height, point.confidence)

    return Pose(tuple(_each(person, move) for person in pose.people), pose.width, pose.height)


def mirrored(pose: Pose) -> Pose:
    """Exchange left and right, so that a right hand becomes a left one."""

    def move(point: Point) -> Point:
        return Point(pose.width - point.x, point.y, point.confidence)

    def turned(person: Person) -> Person:
        there = _each(person, move)
        face = None if there.face is None else _ordered(there.face, MIRRORED_FACE)
        return Person(_ordered(there.body, MIRRORED_BODY), face, there.right_hand, there.left_hand)

    return Pose(tuple(map(turned, pose.people)), pose.width, pose.height)


def _each(person: Person, move: Callable[[Point], Point]) -> Person:
    def part(slots: Slots | None, count: int) -> Slots | None:
        return None if slots is None else tuple(None if p is None else move(p) for p in slots[:count])

    body = part(person.body, BODY) or (None,) * BODY
    return Person(body, part(person.face, FACE), part(person.left_hand, HAND), part(person.right_hand, HAND))


def _ordered(slots: Slots, order: Iterable[int]) -> Slots:
    return tuple(slots[index] for index in order)


def _swapped(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    order = list(range(count))
    for first, second in pairs:
        order[first], order[second] = second, first
    return tuple(order)


MIRRORED_BODY = _swapped(BODY, ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)))
"""Slot that takes the place of each slot in a mirror."""
MIRRORED_FACE = _swapped(
    FACE,
    (
        *((i, 16 - i) for i in range(8)),  # chin
        *((17 + i, 26 - i) for i in range(5)),  # brows
        *((31, 35), (32, 34)),  # nose
        *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
        *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),  # outer lips
        *((60, 64), (61, 63), (65, 67)),  # inner lips
        (68, 69),  # pupils
    ),
)
"""The same for the 68 points of the iBUG scheme and the pupils."""
