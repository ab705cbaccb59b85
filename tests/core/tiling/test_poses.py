from __future__ import annotations

import pytest
from tests.support.clips import person_at

from underdrawing.core.images.geometry import Size
from underdrawing.core.poses.model import Keypoint, Person, Pose
from underdrawing.core.tiling.plan import plan_boxes
from underdrawing.core.tiling.poses import join_poses

SIZE = Size(200, 400)
LEFT, RIGHT = plan_boxes(SIZE, 240, 80)


def shift(person: Person, by: float) -> Person:
    body = tuple(None if p is None else Keypoint(p.x - by, p.y, p.confidence) for p in person.body)
    return Person(body)


def thin(person: Person) -> Person:
    """The same with three keypoints fewer."""
    return Person((None, None, None, *person.body[3:]))


def tile(box: object, *people: Person) -> tuple[object, Pose]:
    return box, Pose(people, 240, 200)


def joined(whole: tuple[Person, ...], *tiles: object) -> list[float]:
    pose = join_poses(Pose(whole, SIZE.width, SIZE.height), tiles, SIZE, 20)  # type: ignore[arg-type]
    return sorted(next(p.x for p in person.body[3:] if p is not None) for person in pose.people)


SMALL = person_at(200, 100, 30)


@pytest.mark.parametrize("whole", [(), (SMALL,), (thin(SMALL),)])
def test_somebody_in_two_tiles_is_one_person(whole: tuple[Person, ...]) -> None:
    found = joined(whole, tile(LEFT, SMALL), tile(RIGHT, shift(SMALL, RIGHT.left)))
    assert found == pytest.approx(joined((SMALL,)))


def test_the_fuller_answer_stays() -> None:
    pose = join_poses(Pose((thin(SMALL),), 400, 200), [(LEFT, Pose((SMALL,), 240, 200))], SIZE, 20)
    assert pose.people == (SMALL,)
    pose = join_poses(Pose((SMALL,), 400, 200), [(LEFT, Pose((thin(SMALL),), 240, 200))], SIZE, 20)
    assert pose.people == (SMALL,)


def test_who_is_cut_by_a_tile_is_left_to_the_others() -> None:
    cut = person_at(238, 100, 60)
    assert joined((), tile(LEFT, cut)) == []
    assert len(joined((cut,), tile(LEFT, cut))) == 1


def test_two_people_side_by_side_stay_two() -> None:
    assert len(joined((person_at(100, 100, 60), person_at(130, 100, 60)), tile(LEFT, person_at(60, 100, 60)))) == 3


def test_places_are_those_of_the_map() -> None:
    pose = join_poses(Pose((), 200, 100), [(RIGHT, Pose((shift(SMALL, RIGHT.left),), 240, 200))], SIZE, 20)
    (person,) = pose.people
    first, expected = (next(p for p in one.body if p is not None) for one in (person, SMALL))
    assert (first.x, first.y) == pytest.approx((expected.x / 2, expected.y / 2))
