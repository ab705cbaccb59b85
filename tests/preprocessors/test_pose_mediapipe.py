"""Poses on the bundled photographs. Hands: no photograph of free licence with a bare hand was found, so what is tested
of them is the network (against LiteRT), the geometry, and who gets which hand."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from tests.golden.mediapipe.crops import photo

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.model import to_openpose
from underdrawing.core.poses.reading import from_openpose
from underdrawing.preprocessors.nets.mediapipe.bodies import Body, merge_duplicates
from underdrawing.preprocessors.nets.mediapipe.faces import Face
from underdrawing.preprocessors.nets.mediapipe.hands import Hand, assign_hands
from underdrawing.preprocessors.nets.mediapipe.people import assemble_people, body_slots
from underdrawing.preprocessors.nets.mediapipe.regions import Region
from underdrawing.preprocessors.nets.mediapipe.topology import LEFT, RIGHT
from underdrawing.preprocessors.pose_mediapipe import PoseMediapipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from underdrawing.core.annotator import ControlMap
    from underdrawing.core.poses.model import Keypoints, Person

NOSE, NECK, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_EYE, LEFT_EYE = 0, 1, 2, 5, 14, 15
RIGHT_WRIST, KNEES = 4, (9, 12)
WOMAN = {
    NOSE: (224, 126),
    RIGHT_SHOULDER: (115, 215),
    LEFT_SHOULDER: (290, 225),
    RIGHT_EYE: (203, 101),
    LEFT_EYE: (247, 103),
}
"""Read off the photograph by eye; a shoulder in a space suit is a guess."""
WITHIN = {NOSE: 8, RIGHT_SHOULDER: 45, LEFT_SHOULDER: 45, RIGHT_EYE: 8, LEFT_EYE: 8}


def run(*pictures: NDArray[np.uint8], size: tuple[int, int] | None = None, **params: Any) -> ControlMap:
    chosen = PoseMediapipe.params(**params)
    batch = np.stack(pictures)
    return PoseMediapipe(Placement(), chosen).run(Request(batch, chosen, Size(*(size or batch.shape[1:3]))))


@cache
def woman() -> ControlMap:
    return run(photo("astronaut"))


def people(result: ControlMap) -> tuple[Person, ...]:
    assert result.poses is not None
    return result.poses[0].people


def place(slots: Keypoints | None, i: int) -> tuple[float, float]:
    assert slots is not None
    point = slots[i]
    assert point is not None
    return point.x, point.y


def test_the_woman_is_one_person_where_she_is() -> None:
    (person,) = people(woman())
    for slot, expected in WOMAN.items():
        assert math.dist(place(person.body, slot), expected) < WITHIN[slot], slot
    neck = (np.array(place(person.body, RIGHT_SHOULDER)) + place(person.body, LEFT_SHOULDER)) / 2
    assert place(person.body, NECK) == pytest.approx(neck.tolist(), abs=1e-3)


def test_her_face_has_its_slots() -> None:
    (person,) = people(woman())
    expected = {8: (222, 178), 30: (224, 126), 36: (193, 101), 45: (259, 104), 48: (202, 139), 54: (246, 139)}
    expected |= {68: (203, 101), 69: (247, 103)}
    for slot, there in expected.items():
        assert math.dist(place(person.face, slot), there) < 6, slot
    assert math.dist(place(person.face, 68), place(person.body, RIGHT_EYE)) < 10


def test_the_map_is_the_drawing_of_the_json() -> None:
    result = woman()
    assert result.poses is not None
    again = from_openpose(json.loads(json.dumps(to_openpose(result.poses[0]))))
    assert np.array_equal(draw_pose(again), result.images[0])
    assert result.notes == ()


def test_the_same_bytes_again_and_in_a_batch() -> None:
    result = run(photo("camera"), photo("astronaut"))
    assert np.array_equal(result.images[1], woman().images[0])
    assert result.poses is not None
    assert result.poses[1].people == people(woman())
    assert len(people(result)) == 1


def test_points_are_drawn_at_the_map_s_size() -> None:
    small = run(photo("astronaut"), size=(256, 384))
    assert small.images.shape == (1, 256, 384, 3)
    x, y = place(people(woman())[0].body, NOSE)
    assert place(people(small)[0].body, NOSE) == pytest.approx((x * 0.75, y * 0.5))


def test_a_mirrored_picture_swaps_left_and_right() -> None:
    mirrored = run(np.ascontiguousarray(photo("astronaut")[:, ::-1]), hands=False, search_levels=2)
    (person,) = people(mirrored)
    for slot, twin in ((RIGHT_EYE, LEFT_EYE), (RIGHT_SHOULDER, LEFT_SHOULDER), (NOSE, NOSE)):
        x, y = WOMAN[twin]
        assert math.dist(place(person.body, slot), (512 - x, y)) < WITHIN[slot] * 1.2


def test_people_of_different_sizes_side_by_side_are_all_found() -> None:
    page = np.full((512, 1280, 3), 128, np.uint8)
    page[:, :512] = photo("astronaut")
    page[:, 512:1024] = photo("camera")
    page[256:, 1024:] = cv2.resize(photo("astronaut"), (256, 256), interpolation=cv2.INTER_AREA)
    found = people(run(page, hands=False))
    assert len(found) == 3
    noses = sorted(place(person.body, NOSE) for person in found)
    assert math.dist(noses[0], WOMAN[NOSE]) < 20
    assert math.dist(noses[1], (512 + 265, 165)) < 30
    x, y = WOMAN[NOSE]
    assert math.dist(noses[2], (1024 + x / 2, 256 + y / 2)) < 15
    assert len(people(run(page, hands=False, face=False, max_people=2))) == 2


def test_nobody_gives_a_black_map_and_a_note() -> None:
    result = run(np.full((96, 128, 3), 90, np.uint8), search_levels=1)
    assert not result.images.any()
    assert people(result) == ()
    assert any("black" in note for note in result.notes)


def test_what_is_not_wanted_is_neither_sought_nor_drawn() -> None:
    result = run(photo("astronaut"), body=False, hands=False, search_levels=1)
    (person,) = people(result)
    assert not any(person.body)
    assert person.left_hand is None
    assert {tuple(c) for c in result.images[0].reshape(-1, 3).tolist()} == {(0, 0, 0), (255, 255, 255)}
    params = PoseMediapipe.params(hands=False, face=False)
    assert [w.file for w in PoseMediapipe.weights_for(params)] == [
        "mediapipe_pose_detection.safetensors",
        "mediapipe_pose_landmark_full.safetensors",
    ]


# Assembly, on made-up parts.


def standing(x: float, *, score: float = 0.9, height: float = 300) -> Body:
    """Somebody facing us, whose right side is left in the picture."""
    points = np.zeros((33, 2), np.float32)
    points[:11] = (x, 50)
    rows = {
        11: (30, 90),
        13: (45, 140),
        15: (50, 190),
        17: (55, 210),
        19: (50, 212),
        23: (20, 200),
        25: (20, 270),
        27: (20, 340),
    }
    for left, (dx, y) in rows.items():
        points[left], points[left + 1] = (x + dx, y), (x - dx, y)
    points[:, 1] = 50 + (points[:, 1] - 50) * height / 300
    return Body(score, points, np.ones(33, np.float32), Region(x, 200, 400, 400))


def hand(x: float, y: float, *, right: float, size: float = 25) -> Hand:
    points = np.array([[0, 0]] + [[(i % 5 - 2) * 0.3, 0.5 + i / 20] for i in range(20)], np.float32) * size
    return Hand(0.9, right, points + np.array([x, y], np.float32))


def test_hands_go_to_the_nearest_wrists() -> None:
    bodies = [standing(200), standing(400)]
    theirs = [
        hand(452, 190, right=0.1),
        hand(148, 192, right=0.9),
        hand(352, 188, right=0.8),
        hand(250, 195, right=0.2),
    ]
    owned, loose = assign_hands(theirs, bodies)
    assert not loose
    assert [owned[0][RIGHT], owned[0][LEFT], owned[1][RIGHT], owned[1][LEFT]] == [theirs[i] for i in (1, 3, 2, 0)]


def test_of_two_hands_held_together_each_goes_to_its_side() -> None:
    body = standing(200)
    body.points[15], body.points[16] = (202, 190), (198, 190)
    left, right = hand(196, 190, right=0.05), hand(204, 190, right=0.95)
    owned, _ = assign_hands([left, right], [body])
    assert owned[0] == {LEFT: left, RIGHT: right}


def test_a_hand_of_nobody_is_a_person_of_its_own() -> None:
    made = assemble_people([standing(200)], [hand(500, 400, right=0.9)], [], (600, 600), body=True)
    assert [person.right_hand is None for person in made] == [True, False]
    assert not any(made[1].body)
    assert made[1].left_hand is None


def test_faces_go_to_the_nearest_noses() -> None:
    def face(x: float, y: float) -> Face:
        points = np.zeros((468, 2), np.float32)
        points[0], points[467] = (-20, -30), (20, 30)
        return Face(0.9, points + np.array([x, y], np.float32), np.full((2, 2), 5, np.float32))

    made = assemble_people(
        [standing(200), standing(400)], [], [face(402, 52), face(199, 48), face(100, 300)], (600, 600), body=True
    )
    assert [round(place(person.face, 0)[0]) for person in made] == [199, 402, 100]


def test_unseen_and_outside_points_are_gaps() -> None:
    body = standing(20)
    body.visible[[25, 11]] = 0.4
    slots = body_slots(body, (400, 400))
    assert slots[1] is None, "the neck needs both shoulders"
    assert slots[LEFT_SHOULDER] is None
    assert slots[12] is None
    assert slots[4] is None, "the right wrist lies left of the picture"
    assert slots[0] is not None


def test_joints_that_the_network_puts_outside_are_gaps() -> None:
    """It answers where a wrist below the border would be, that it could be seen there, and that it is not there."""
    (person,) = people(run(photo("astronaut")[:256], hands=False, face=False))
    assert person.body[RIGHT_WRIST] is None
    assert person.body[RIGHT_SHOULDER] is not None


def test_doubtful_joints_are_left_out_when_asked() -> None:
    (person,) = people(woman())
    (sure,) = people(run(photo("astronaut"), hands=False, face=False, min_keypoint_confidence=0.8))
    assert None not in [person.body[knee] for knee in KNEES], "she sits in the network's eyes"
    assert not any(sure.body[knee] for knee in KNEES)
    kept = [slot for slot in range(18) if sure.body[slot]]
    assert {NOSE, NECK, RIGHT_SHOULDER, LEFT_SHOULDER} < set(kept)
    assert [sure.body[slot] for slot in kept] == [person.body[slot] for slot in kept]


def test_every_joint_of_the_picture_is_drawn_when_asked() -> None:
    body = standing(200)
    body.visible[:] = 0.01
    assert not any(body_slots(body, (400, 400)))
    assert all(body_slots(body, (400, 400), 0))


def test_finds_of_one_person_are_merged_and_two_people_kept() -> None:
    one, again = standing(200), standing(203, score=0.8)
    assert len(merge_duplicates([one, again])) == 1
    assert len(merge_duplicates([one, standing(290)])) == 2


def test_a_doubtful_find_within_a_person_is_dropped() -> None:
    arm = standing(200, score=0.55, height=80)
    moved = arm._replace(points=arm.points * 0.3 + np.array([130, 120], np.float32))
    assert len(merge_duplicates([standing(200), moved])) == 1
    assert len(merge_duplicates([standing(200), moved._replace(score=0.9)])) == 2


def test_finds_of_one_person_vote() -> None:
    wrong = standing(200, score=0.85)
    wrong.points[11:] += (80, -60)
    (chosen,) = merge_duplicates([wrong, standing(200, score=0.8), standing(202, score=0.8), standing(198, score=0.7)])
    assert np.abs(chosen.points - standing(200).points).max() <= 2
    assert chosen.score == 0.85
