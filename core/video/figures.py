"""People and animals as arrays of points, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..poses.model import ANIMAL, BODY, FACE, HAND, Keypoint, Person, Pose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..poses.model import Keypoints
    from .tracks import Points

_PARTS = (BODY, FACE, HAND, HAND)


class Figures(NamedTuple):
    """People and animals of one frame by number, in the order in which they are drawn."""

    people: dict[int, Points]
    animals: dict[int, Points]


def to_points(person: Person) -> Points:
    """[130, 3] of a person: body, face, left hand, right hand."""
    parts = (person.body, person.face, person.left_hand, person.right_hand)
    return np.concatenate([_to_array(part, count) for part, count in zip(parts, _PARTS, strict=True)])


def to_person(points: Points, number: int) -> Person:
    """Person of [130, 3]; a part without a keypoint is None."""
    places = np.cumsum(_PARTS)[:-1]
    body, face, left, right = (_to_keypoints(part) for part in np.split(points, places))
    return Person(body or (None,) * BODY, face, left, right, number)


def animal_points(animal: Keypoints) -> Points:
    """[17, 3] of an animal."""
    return _to_array(animal, ANIMAL)


def to_pose(people: Mapping[int, Points], animals: Mapping[int, Points], width: int, height: int) -> Pose:
    """Pose of figures by number; those without a keypoint are left out."""
    persons = (to_person(points, number) for number, points in people.items() if np.isfinite(points[:, 0]).any())
    beasts = (found for points in animals.values() if (found := _to_keypoints(points)) is not None)
    return Pose(tuple(persons), width, height, tuple(beasts))


def blend_poses(before: Pose, after: Pose, share: float) -> Pose:
    """The pose between two: keypoints of people that both have, on the straight line; share: 0 is before, 1 after."""
    others = {person.person_id: to_points(person) for person in after.people if person.person_id is not None}
    people = {
        person.person_id: (1 - share) * to_points(person) + share * others[person.person_id]
        for person in before.people
        if person.person_id is not None and person.person_id in others
    }
    return to_pose(people, {}, before.width, before.height)


def _to_array(part: Keypoints | None, count: int) -> Points:
    missing = (np.nan, np.nan, np.nan)
    return np.array([missing if point is None else point for point in part or (None,) * count], np.float64)


def _to_keypoints(points: Points) -> Keypoints | None:
    rows: list[list[float]] = points.tolist()
    found = tuple(None if row[0] != row[0] else Keypoint(row[0], row[1], row[2]) for row in rows)
    return found if any(found) else None
