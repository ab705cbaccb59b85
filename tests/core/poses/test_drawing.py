from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from underdrawing.core.poses.drawing import COLOURS, FINGERS, LIMBS, choose_style, draw_pose
from underdrawing.core.poses.model import Keypoint, Person, Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from underdrawing.core.poses.drawing import LimbScaling


def body(**places: tuple[float, float]) -> tuple[Keypoint | None, ...]:
    slots: list[Keypoint | None] = [None] * 18
    for name, (x, y) in places.items():
        slots[int(name[1:])] = Keypoint(x, y)
    return tuple(slots)


def drawn(*people: Person, size: tuple[int, int] = (100, 120), sticks: LimbScaling = "plain") -> NDArray[np.uint8]:
    return draw_pose(Pose(people, size[1], size[0]), sticks=sticks)


def test_nobody_is_black() -> None:
    assert drawn().shape == (100, 120, 3)
    assert drawn().dtype == np.uint8
    assert not drawn(Person()).any()


def test_the_seventeen_limbs_are_openpose_s() -> None:
    one_based = [(2, 3), (2, 6), (3, 4), (4, 5), (6, 7), (7, 8), (2, 9), (9, 10), (10, 11), (2, 12), (12, 13), (13, 14)]
    one_based += [(2, 1), (1, 15), (15, 17), (1, 16), (16, 18)]
    assert [(a + 1, b + 1) for a, b in LIMBS] == one_based
    listed = "FF0000 FF5500 FFAA00 FFFF00 AAFF00 55FF00 00FF00 00FF55 00FFAA 00FFFF 00AAFF 0055FF 0000FF 5500FF AA00FF"
    assert " ".join(f"{r:02X}{g:02X}{b:02X}" for r, g, b in COLOURS) == f"{listed} FF00FF FF00AA FF0055"


@pytest.mark.parametrize("limb", range(17))
def test_a_limb_has_its_colour_at_60_percent_and_joints_have_theirs(limb: int) -> None:
    first, second = LIMBS[limb]
    map_ = drawn(Person(body(**{f"p{first}": (20, 50), f"p{second}": (80, 50)})))
    assert map_[50, 50].tolist() == [int(part * 0.6) for part in COLOURS[limb]]
    assert map_[50, 20].tolist() == list(COLOURS[first])
    assert map_[50, 80].tolist() == list(COLOURS[second])
    painted = np.nonzero(map_[:, 50].any(-1))[0]
    assert (painted.min(), painted.max()) == (46, 54)


def test_joints_are_discs_of_radius_4() -> None:
    rows, columns = np.nonzero(drawn(Person(body(p0=(60.9, 40.2)))).any(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (36, 44, 56, 64)


def test_missing_points_and_points_at_the_edge_draw_nothing() -> None:
    assert not drawn(Person(body(p0=(0.01, 50), p1=(50, 0.005)))).any()
    only = drawn(Person(body(p0=(50, 50), p1=(0.0, 50))))
    assert not only[:, :40].any()


@pytest.mark.parametrize("end", [(-80, 50), (180, 50), (50, -80), (50, 180)])
def test_limbs_of_bodies_leave_on_every_side(end: tuple[int, int]) -> None:
    picture = drawn(Person(body(p1=(50, 50), p2=end)), size=(101, 101))
    edge = {-80: 0, 50: 50, 180: 100}
    assert picture[edge[end[1]], edge[end[0]]].any()


def test_a_later_person_covers_an_earlier_joint() -> None:
    first = Person(body(p1=(50, 50)))
    second = Person(body(p2=(20, 50), p3=(80, 50)))
    assert drawn(first, second)[50, 50].tolist() == [int(part * 0.6) for part in COLOURS[2]]
    assert drawn(second, first)[50, 50].tolist() == list(COLOURS[1])


def test_hands_are_rainbows_with_blue_joints() -> None:
    assert FINGERS[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    assert len(FINGERS) == 20
    slots: list[Keypoint | None] = [None] * 21
    slots[0], slots[1], slots[5] = Keypoint(20, 20), Keypoint(100, 20), Keypoint(20, 90)
    map_ = drawn(Person(left_hand=tuple(slots)))
    assert map_[20, 60].tolist() == [255, 0, 0]
    assert map_[55, 20].tolist() == [203, 255, 0]
    assert all(map_[y, x].tolist() == [0, 0, 255] for x, y in ((20, 20), (100, 20), (20, 90)))
    assert np.array_equal(map_, drawn(Person(right_hand=tuple(slots))))


def test_faces_are_white_dots_of_radius_3() -> None:
    map_ = drawn(Person(face=(Keypoint(50, 50), *[None] * 69)))
    assert {tuple(colour) for colour in map_.reshape(-1, 3).tolist()} == {(0, 0, 0), (255, 255, 255)}
    assert map_[50].any(-1).sum() == 7


def test_parts_can_be_left_out() -> None:
    hand = tuple(Keypoint(30, 30) for _ in range(21))
    person = Person(body(p0=(60, 60)), tuple(Keypoint(90, 60) for _ in range(70)), hand, hand)
    pose = Pose((person,), 120, 100)
    assert not draw_pose(pose, body=False, hands=False, face=False).any()
    assert draw_pose(pose, hands=False, face=False)[60, 60].tolist() == list(COLOURS[0])
    assert not draw_pose(pose, hands=False, face=False)[60, 90].any()
    assert draw_pose(pose, body=False, face=False)[30, 30].tolist() == [0, 0, 255]
    assert draw_pose(pose, body=False, hands=False)[60, 90].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("longer", "ratio"), [(499, 1), (500, 2), (999, 2), (1000, 3), (1999, 3), (2000, 4), (5000, 7), (9000, 7)]
)
def test_sticks_grow_for_xinsir(longer: int, ratio: int) -> None:
    assert tuple(choose_style(longer, 10, "xinsir")) == (4 * ratio, 4 * ratio)
    assert tuple(choose_style(10, longer, "comfyui")) == (4 * ratio, 4)
    assert tuple(choose_style(longer, longer, "plain")) == (4, 4)


def test_thick_sticks_are_drawn_thick() -> None:
    person = Person(body(p1=(100, 300), p2=(500, 300)))
    painted = [int(drawn(person, size=(600, 600), sticks=s)[:, 300].any(-1).sum()) for s in ("plain", "xinsir")]
    assert painted == [9, 17]
