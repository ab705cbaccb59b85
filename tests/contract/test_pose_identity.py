"""One renderer for all sources: a map, its JSON, and the map again are the same; and it draws as A1111 does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.golden.poses import inputs

from underdrawing.core.errors import BadImage
from underdrawing.core.poses.drawing import ANIMAL_COLOURS, ANIMAL_LIMBS, FINGERS, draw_hand, draw_pose
from underdrawing.core.poses.model import ANIMAL, BODY, FACE, HAND, Keypoint, Person, Pose, to_openpose
from underdrawing.core.poses.reading import from_openpose

if TYPE_CHECKING:
    from underdrawing.core.poses.model import Keypoints

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "poses" / "poses.npz"
places = st.one_of(st.floats(-3, 70), st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0, -1.0]), st.floats(-1e12, 1e12))
point = st.builds(Keypoint, places, places, st.floats(0.01, 1))


def slots(count: int) -> st.SearchStrategy[Keypoints]:
    return st.lists(st.none() | point, min_size=count, max_size=count).map(tuple).filter(any)


people = st.builds(Person, slots(BODY), *(st.none() | slots(count) for count in (FACE, HAND, HAND)))
poses = st.builds(
    Pose,
    st.lists(people, max_size=2).map(tuple),
    st.integers(1, 64),
    st.integers(1, 64),
    st.lists(slots(ANIMAL), max_size=1).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(poses, st.booleans())
def test_a_map_its_json_and_the_map_again(pose: Pose, confidences: bool) -> None:
    data = json.loads(json.dumps(to_openpose(pose, confidences=confidences)))
    again = from_openpose(data)
    assert np.array_equal(draw_pose(pose), draw_pose(again))
    assert (again.width, again.height, len(again.people)) == (pose.width, pose.height, len(pose.people))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 3000), st.floats(-1, 1), st.floats(-1, 1))
@example(3, 0.0, 0.9999999999999999)
@example(49, 1.0, -1.0)
def test_points_in_the_first_pixel_stay_there(side: int, x: float, y: float) -> None:
    """Numbers within -1 .. 1 are read as shares of the canvas, so that is how such points are written."""
    hand = (Keypoint(x, y), *[None] * (HAND - 1))
    back = from_openpose(to_openpose(Pose((Person(left_hand=hand),), side, side))).people[0].left_hand
    assert back is not None
    assert back[0] is not None
    assert (int(back[0].x), int(back[0].y)) == (int(x), int(y))
    assert tuple(back[0])[:2] == pytest.approx((x, y), abs=1e-9)


def drawn(seeds: tuple[int, ...], count: int) -> list[Any]:
    found = [inputs.figure(seed, count, 200, 160) for seed in seeds]
    return [tuple(None if p is None else Keypoint(*p) for p in one) for one in found]


def test_people_are_drawn_as_a1111_draws_them() -> None:
    """Within a level: A1111 gives OpenCV fractions, which it rounds, for the edges of hands; here they are cut."""
    with np.load(GOLDEN) as arrays:
        wanted = arrays["drawn"]
    bodies, left, right, faces = (
        drawn((1 + more, 2 + more), count) for more, count in ((0, 18), (10, 21), (20, 21), (30, 70))
    )
    pose = Pose(tuple(map(Person, bodies, faces, left, right)), 200, 160)
    found = draw_pose(pose)
    difference = np.abs(found.astype(np.int16) - wanted)
    assert wanted.any(-1).mean() > 0.2
    assert difference.max() <= 1
    edges = np.array(HAND_COLOURS, np.uint8)
    assert (found[difference.any(-1)][:, None] == edges).all(-1).any(-1).all()


def test_animals_are_drawn_as_a1111_draws_them() -> None:
    with np.load(GOLDEN) as arrays:
        wanted = arrays["drawn_animals"]
    pose = Pose((), 200, 160, tuple(drawn((41, 42), 17)))
    assert wanted.any(-1).mean() > 0.1
    assert np.array_equal(draw_pose(pose), wanted)
    assert not draw_pose(pose, animals=False).any()


def test_the_animal_s_limbs_and_colours() -> None:
    one_based = [(1, 2), (2, 3), (1, 3), (3, 4), (4, 9), (9, 10), (10, 11), (4, 6), (6, 7), (7, 8), (4, 5), (5, 15)]
    one_based += [(15, 16), (16, 17), (5, 12), (12, 13), (13, 14)]
    assert [(a + 1, b + 1) for a, b in ANIMAL_LIMBS] == one_based
    assert len(ANIMAL_COLOURS) == len(ANIMAL_LIMBS)
    assert ANIMAL_COLOURS[0] == (255, 255, 255)


HAND_COLOURS = (
    *((255, 0, 0), (255, 76, 0), (255, 153, 0), (255, 229, 0), (203, 255, 0), (127, 255, 0), (51, 255, 0)),
    *((0, 255, 25), (0, 255, 102), (0, 255, 178), (0, 255, 255), (0, 178, 255), (0, 102, 255), (0, 25, 255)),
    *((50, 0, 255), (127, 0, 255), (204, 0, 255), (255, 0, 229), (255, 0, 152), (255, 0, 76)),
)


@pytest.mark.parametrize("edge", range(20))
def test_the_edges_of_hands_have_their_colours(edge: int) -> None:
    first, second = FINGERS[edge]
    hand: list[Keypoint | None] = [None] * HAND
    hand[first], hand[second] = Keypoint(10, 10), Keypoint(50, 10)
    canvas = np.zeros((20, 60, 3), np.uint8)
    draw_hand(canvas, tuple(hand))
    assert tuple(canvas[10, 30].tolist()) == HAND_COLOURS[edge]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("share", [False, True])
def test_animals_of_every_host_are_read(nested: bool, share: bool) -> None:
    triples = [[10.0 * i / (200 if share else 1), 5.0 * i / (100 if share else 1), 1.0] for i in range(17)]
    animal: list[Any] = triples if nested else [number for triple in triples for number in triple]
    pose = from_openpose({"version": "ap10k", "animals": [animal, None], "canvas_width": 200, "canvas_height": 100})
    assert pose.people == ()
    (found,) = pose.animals
    assert found[3] == pytest.approx((30, 15, 1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    body = [1.0, 2.0, 1.0] * 17 + [1.0, bad, 1.0]
    with pytest.raises(BadImage, match="pose_keypoints_2d: a number is not finite"):
        from_openpose({"people": [{"pose_keypoints_2d": body}], "canvas_width": 9, "canvas_height": 9})


@pytest.mark.parametrize("animals", [[[1.0, 2.0, 1.0] * 16], [[[1.0, 2.0]] * 17], ["x"]])
def test_animals_of_another_form_are_refused(animals: list[Any]) -> None:
    with pytest.raises(BadImage, match="expected"):
        from_openpose({"animals": animals, "canvas_width": 9, "canvas_height": 9})
