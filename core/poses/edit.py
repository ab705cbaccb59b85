"""Edits of poses: selecting people, parts and keypoints, moving, mirroring, and scaling limbs.

Every function returns a new pose; its argument is unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import BadParameter
from ..images.geometry import Size, plan_fit
from .model import ANIMAL, BODY, FACE, Keypoint, Keypoints, Person, Pose, list_parts, map_keypoints, replace_parts
from .names import LIMBS, PARENTS, SLOTS, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..images.geometry import FitMode
    from .names import KeypointSelector, Move

    Change = Callable[[Keypoints], Keypoints]
    Shift = tuple[float, float]


def select_people(pose: Pose, people: str) -> Pose:
    """Keep the people of a list such as "1, 3" (counted from 1, in that order); an empty list keeps everybody.

    Numbers beyond the last person are passed over; animals stay. Raises BadParameter.
    """
    if not people.strip():
        return pose
    if re.fullmatch(r"\s*[1-9]\d{0,8}\s*(,\s*[1-9]\d{0,8}\s*)*", people) is None:
        raise BadParameter(
            f"{people!r} is not a list of people", where="people", fix="write numbers from 1, as in 1, 3"
        )
    numbers = [int(number) - 1 for number in people.split(",")]
    return _replace_people(pose, (pose.people[n] for n in numbers if n < len(pose.people)))


def select_parts(pose: Pose, *, body: bool = True, hands: bool = True, face: bool = True, animals: bool = True) -> Pose:
    """Keep the parts that are on."""

    def select(person: Person) -> Person:
        left, right = (person.left_hand, person.right_hand) if hands else (None, None)
        return replace_parts(person, (person.body if body else None, person.face if face else None, left, right))

    return _replace_people(pose, map(select, pose.people), pose.animals if animals else ())


def move_people(pose: Pose, *, scale: float = 1.0, right: float = 0.0, down: float = 0.0) -> Pose:
    """Scale everybody about the middle of the canvas, then move them by shares of its width and height."""
    if (scale, right, down) == (1, 0, 0):
        return pose  # the sums below would round
    x0, y0 = pose.width / 2, pose.height / 2

    def move(point: Keypoint) -> Keypoint:
        x = (point.x - x0) * scale + x0 + right * pose.width
        return Keypoint(x, (point.y - y0) * scale + y0 + down * pose.height, point.confidence)

    return map_keypoints(pose, move, Size(pose.height, pose.width))


def retarget(pose: Pose, size: Size, mode: FitMode = "just") -> Pose:
    """Bring everybody onto a canvas of another size as `core.images.geometry.plan_fit` brings a map there.

    mode: stretch ("just"), fill and crop, or fit and leave room ("fill"). Points may come to lie outside.
    """
    plan = plan_fit(Size(pose.height, pose.width), size, mode)
    kx, ky = plan.scaled.width / pose.width, plan.scaled.height / pose.height

    def move(point: Keypoint) -> Keypoint:
        return Keypoint(point.x * kx + plan.left, point.y * ky + plan.top, point.confidence)

    return map_keypoints(pose, move, size)


def mirror(pose: Pose) -> Pose:
    """Mirror people; a right hand becomes a left one."""
    there = map_keypoints(
        pose, lambda point: Keypoint(pose.width - point.x, point.y, point.confidence), Size(pose.height, pose.width)
    )

    def mirror_person(person: Person) -> Person:
        face = None if person.face is None else _reorder(person.face, MIRRORED_FACE)
        return replace_parts(person, (_reorder(person.body, MIRRORED_BODY), face, person.right_hand, person.left_hand))

    animals = tuple(_reorder(animal, MIRRORED_ANIMAL) for animal in there.animals)
    return _replace_people(there, map(mirror_person, there.people), animals)


def drop_keypoints(pose: Pose, places: Iterable[KeypointSelector]) -> Pose:
    """Remove keypoints, or a whole face or hand."""
    for place in places:
        pose = _change_part(pose, place, lambda slots, slot=place.slot: _replace_keypoint(slots, slot, None))
    return pose


def move_keypoints(pose: Pose, moves: Iterable[Move]) -> Pose:
    """Move keypoints, in pixels; a missing one becomes a keypoint of confidence 1.

    Raises BadParameter where several people would be moved to one position.
    """
    for move in moves:
        number = len(pose.animals if move.selector.part == "animal" else pose.people)
        if not move.is_relative and move.selector.person is None and number > 1:
            what = f"{number} of them would be moved to one position"
            raise BadParameter(what, where="move", fix="say whose keypoint it is, as in 2:nose=120,80")
        pose = _change_part(pose, move.selector, lambda slots, move=move: _shift_keypoints(slots, move))
    return pose


def scale_limbs(pose: Pose, factors: Mapping[str, float]) -> Pose:
    """Scale the lengths of limbs; what is attached to them moves along. factors: by name, see `core.poses.names.LIMBS`.

    A bone with a missing end keeps its length. Hands scale about the wrist, a face about the nose.
    """
    return _replace_people(pose, (_stretch(person, factors) for person in pose.people))


def _stretch(person: Person, factors: Mapping[str, float]) -> Person:
    bones = dict.fromkeys(range(BODY), 1.0)
    for name, factor in factors.items():
        for slot in LIMBS[name]:
            bones[slot] *= factor
    ways = _find_shifts(person.body, bones)
    body = tuple(None if p is None else _shift_keypoint(p, ways[slot]) for slot, p in enumerate(person.body))
    hands = factors.get("hands", 1.0)
    parts = (
        body,
        _scale_part(person.face, person.body[0], ways[0], factors.get("face", 1.0)),
        _scale_part(person.left_hand, None, ways[7], hands * factors.get("left_hand", 1.0)),
        _scale_part(person.right_hand, None, ways[4], hands * factors.get("right_hand", 1.0)),
    )
    return replace_parts(person, parts)


def _find_shifts(body: Keypoints, bones: Mapping[int, float]) -> dict[int, Shift]:
    """Shift of each joint; a missing one moves with its parent."""
    ways: dict[int, Shift] = {1: (0.0, 0.0)}
    for child in sorted(PARENTS, key=_find_depth):
        parent = PARENTS[child]
        start, end, (x, y) = body[parent], body[child], ways[parent]
        if start is not None and end is not None:
            grow = bones[child] - 1
            x, y = x + grow * (end.x - start.x), y + grow * (end.y - start.y)
        ways[child] = (x, y)
    return ways


def _find_depth(joint: int) -> int:
    return 0 if joint == 1 else 1 + _find_depth(PARENTS[joint])


def _scale_part(slots: Keypoints | None, root: Keypoint | None, way: Shift, factor: float) -> Keypoints | None:
    """Scale about a root (the first keypoint, where none is given), then shift."""
    if slots is None:
        return None
    about = root or next((point for point in slots if point is not None), Keypoint(0, 0))
    grow = factor - 1
    return tuple(
        None if p is None else _shift_keypoint(p, (way[0] + grow * (p.x - about.x), way[1] + grow * (p.y - about.y)))
        for p in slots
    )


def _shift_keypoint(point: Keypoint, way: Shift) -> Keypoint:
    return Keypoint(point.x + way[0], point.y + way[1], point.confidence)


def _shift_keypoints(slots: Keypoints, move: Move) -> Keypoints:
    if not move.is_relative:
        return _replace_keypoint(slots, move.selector.slot, Keypoint(move.x, move.y))
    wanted = range(len(slots)) if move.selector.slot is None else (move.selector.slot,)
    return tuple(
        _shift_keypoint(p, (move.x, move.y)) if p is not None and i in wanted else p for i, p in enumerate(slots)
    )


def _replace_keypoint(slots: Keypoints, slot: int | None, point: Keypoint | None) -> Keypoints:
    """Replace one keypoint, or every one."""
    return tuple(point if slot is None or i == slot else p for i, p in enumerate(slots))


def _change_part(pose: Pose, place: KeypointSelector, change: Change) -> Pose:
    """Change one part of one person or animal, or of all."""

    def is_selected(number: int) -> bool:
        return place.person is None or place.person == number

    if place.part == "animal":
        animals = (change(animal) if is_selected(i) else animal for i, animal in enumerate(pose.animals))
        return _replace_people(pose, pose.people, (animal for animal in animals if any(animal)))
    people = (_change_person(p, place.part, change) if is_selected(i) else p for i, p in enumerate(pose.people))
    return _replace_people(pose, people)


def _change_person(person: Person, part: Part, change: Change) -> Person:
    names: tuple[Part, ...] = ("body", "face", "left_hand", "right_hand")
    new: list[Keypoints | None] = []
    for name, slots in zip(names, list_parts(person), strict=True):
        there = slots if name != part else change(slots or (None,) * SLOTS[name])
        new.append(there if name == "body" or there is None or slots is there or any(there) else None)
    return replace_parts(person, new)


def _replace_people(pose: Pose, people: Iterable[Person], animals: Iterable[Keypoints] | None = None) -> Pose:
    new = pose.animals if animals is None else tuple(animals)
    return Pose(tuple(people), pose.width, pose.height, new)


def _reorder(slots: Keypoints, order: Iterable[int]) -> Keypoints:
    return tuple(slots[index] for index in order)


def _swap_pairs(count: int, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    order = list(range(count))
    for first, second in pairs:
        order[first], order[second] = second, first
    return tuple(order)


MIRRORED_BODY = _swap_pairs(BODY, ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)))
"""Index of the keypoint that takes the place of each one in a mirror."""
MIRRORED_FACE = _swap_pairs(
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
MIRRORED_ANIMAL = _swap_pairs(ANIMAL, ((0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16)))
"""The same for AP-10K's animals."""
