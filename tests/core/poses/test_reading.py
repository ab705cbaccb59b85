"""Poses of every origin: the same figure in each form gives the same keypoints."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadImage
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.model import Keypoint, Pose, to_openpose
from underdrawing.core.poses.reading import from_openpose, parse_poses

WIDTH, HEIGHT = 512, 768
FIGURE = (
    *((256, 120), (256, 200), (200, 200), (170, 300), (150, 400), (312, 200), (340, 300), (360, 400)),
    *((220, 420), (215, 560), (210, 700), (292, 420), (297, 560), (302, 700)),
    *((244, 105), (268, 105), (228, 115), (284, 115)),
)
"""OpenPose's 18, in pixels; the neck is the middle of the shoulders."""
CANVAS = {"canvas_width": WIDTH, "canvas_height": HEIGHT}
COCO = [FIGURE[i] for i in (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)]
FEET = [(315, 730), (325, 728), (298, 715), (205, 730), (195, 728), (212, 715)]
BODY_25 = [*FIGURE[:8], (256, 420), *FIGURE[8:], *FEET]
BODY_25B = [*COCO, (256, 180), (256, 80), *FEET]
NAMES = (
    *("nose", "leftEye", "rightEye", "leftEar", "rightEar", "leftShoulder", "rightShoulder", "leftElbow"),
    *(
        "rightElbow",
        "leftWrist",
        "rightWrist",
        "leftHip",
        "rightHip",
        "leftKnee",
        "rightKnee",
        "leftAnkle",
        "rightAnkle",
    ),
)


def flat(points: Any, score: float | None = 0.9) -> list[float]:
    return [float(n) for x, y in points for n in ((x, y) if score is None else (x, y, score))]


def pairs(points: Any) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in points]


def person(points: Any = FIGURE, **more: Any) -> dict[str, Any]:
    return {"pose_keypoints_2d": flat(points), **more}


HALPE = [*COCO, (256, 80), FIGURE[1], (256, 420), *FEET]
FACE = [(230 + i % 20, 100 + i // 20) for i in range(68)]
HAND = [(150 + i, 400 + i) for i in range(21)]
MEDIAPIPE = [(0, 0)] * 33
for _place, _slot in zip((0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28), COCO, strict=True):
    MEDIAPIPE[_place] = _slot

IMAGE = {"image_width": WIDTH, "image_height": HEIGHT}
RELATIVE = [{"x": x / WIDTH, "y": y / HEIGHT, "z": 0, "visibility": x / WIDTH} for x, y in MEDIAPIPE]
UNSTATED = ("movenet", "movenet, several", "movenet, numpy", "mediapipe, bare")
"""Forms of shares that state no canvas: 512 x 512 is taken."""

FORMS: dict[str, Any] = {
    "openpose": {"people": [person()], **CANVAS},
    "openpose, no canvas": {"version": 1.3, "people": [person()]},
    "openpose 1.0": {"version": 1.0, "people": [{"pose_keypoints": flat(FIGURE)}]},
    "body 25": {"people": [person(BODY_25)], **CANVAS},
    "body 25b": {"people": [person(BODY_25B)], **CANVAS},
    "body 19": {"people": [person(BODY_25[:19])], **CANVAS},
    "body 20 with toes": {"people": [person([*FIGURE, (315, 730), (205, 730)])], **CANVAS},
    "coco in openpose's keys": {"people": [person(COCO)], **CANVAS},
    "float canvas": {"people": [person()], "canvas_width": 512.0, "canvas_height": 768.0},
    "floats of numpy": {"people": [person()], "canvas_width": np.int64(512), "canvas_height": np.float32(768)},
    "numpy array": {"people": [{"pose_keypoints_2d": np.array(flat(FIGURE), np.float32)}], **CANVAS},
    "numpy rows": {"people": ({"pose_keypoints_2d": np.array(pairs(FIGURE))},), **CANVAS},
    "pairs": {"people": [{"pose_keypoints_2d": flat(FIGURE, None)}], **CANVAS},
    "objects": {"people": [{"keypoints": [{"x": x, "y": y, "score": 0.9} for x, y in FIGURE]}], **CANVAS},
    "persons": {"persons": [{"joints": flat(FIGURE)}], "width": 512, "height": 768},
    "editor": {"width": 512, "height": 768, "keypoints": [pairs(FIGURE)]},
    "editor, one person": {"width": 512, "height": 768, "keypoints": pairs(FIGURE)},
    "editor, flat": {"width": 512, "height": 768, "keypoints": [flat(FIGURE, None)]},
    "mmpose": [{"keypoints": pairs(COCO), "keypoint_scores": [0.9] * 17, "bbox": [[1, 2, 3, 4]]}],
    "mmpose, a list for each picture": [[{"keypoints": pairs(COCO), "keypoint_scores": [0.9] * 17}]],
    "mmpose's answer": {
        "predictions": [[{"keypoints": pairs(COCO), "keypoint_scores": [0.9] * 17}]],
        "visualization": [],
    },
    "mmpose's instances": {"meta_info": {}, "instance_info": [{"keypoints": pairs(COCO), "keypoint_scores": [1] * 17}]},
    "mmpose's frames": {"instance_info": [{"frame_id": 1, "instances": [{"keypoints": pairs(COCO)}]}]},
    "coco results": [{"image_id": 7, "category_id": 1, "keypoints": flat(COCO), "score": 0.8}],
    "coco annotations": {
        "images": [{"id": 3, "width": 512, "height": 768, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 3, "keypoints": flat(COCO, 2), "num_keypoints": 17, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1}],
    },
    "alphapose": [{"image_id": "a.jpg", "category_id": 1, "keypoints": flat(HALPE), "score": 2.9}],
    "alphapose, cmu": {"a.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": flat(FIGURE)}]}},
    "halpe": {"people": [{"keypoints": pairs(HALPE)}], **CANVAS},
    "coco-wholebody": [{"keypoints": pairs([*COCO, *FEET, *FACE, *HAND, *HAND]), "keypoint_scores": [0.9] * 133}],
    "blazepose": {
        "people": [{"landmarks": [{"x": x, "y": y, "z": 0, "visibility": x} for x, y in MEDIAPIPE]}],
        **CANVAS,
    },
    "names": {
        "poses": [
            {
                "keypoints": [
                    {"part": n, "position": {"x": x, "y": y}, "score": 1} for n, (x, y) in zip(NAMES, COCO, strict=True)
                ]
            }
        ]
    },
    "yolo": [
        {
            "name": "person",
            "box": {"x1": 1},
            "keypoints": {"x": [x for x, _ in COCO], "y": [y for _, y in COCO], "visible": [1] * 17},
        }
    ],
    "the api of a1111": {"images": ["aGk="], "info": "Success", "poses": [{"people": [person()], **CANVAS}]},
    "comfyui's history": {
        "id": {"prompt": [1], "outputs": {"9": {"openpose_json": [json.dumps([{"people": [person()], **CANVAS}])]}}}
    },
    "wrapped": {"status": "ok", "data": {"result": {"people": [person()], **CANVAS}}},
    "text": json.dumps({"people": [person()], **CANVAS}),
    "list": [{"people": [person()], **CANVAS}],
    "bare keypoints": pairs(FIGURE),
    "bare people": np.array([pairs(FIGURE)]),
    "shares": {"people": [person([(x / WIDTH, y / HEIGHT) for x, y in FIGURE])], **CANVAS},
    "shares, one off the canvas": {
        "people": [
            person([(x / WIDTH, y / HEIGHT) for x, y in FIGURE], hand_left_keypoints_2d=flat([(1.1, 0.5)] * 21))
        ],
        **CANVAS,
    },
    "-1 to 1": {"people": [person([(2 * x / WIDTH - 1, 2 * y / HEIGHT - 1) for x, y in FIGURE])], **CANVAS},
    "movenet": [[[[y / 768, x / 512, 0.9] for x, y in COCO]]],
    "movenet, several": [[[n for x, y in COCO for n in (y / 768, x / 512, 0.9)] + [0.1] * 5, [0.0] * 56]],
    "movenet, numpy": {"output_0": np.array([[[(y / 768, x / 512, 0.9) for x, y in COCO]]], np.float32)},
    "mediapipe, bare": RELATIVE,
    "mediapipe's web api": {"landmarks": [RELATIVE], "worldLandmarks": [RELATIVE], **IMAGE},
    "mediapipe's camel case": {"poseLandmarks": RELATIVE, **IMAGE},
    "mediapipe's messages": {"pose_landmarks": {"landmark": RELATIVE}, **IMAGE},
    "mediapipe, several": {"pose_landmarks": [RELATIVE], **IMAGE},
    "texts as canvas": {"people": [person()], "canvas_width": "512", "canvas_height": "768px"},
    "dwpose": {
        "bodies": {"candidate": np.array(pairs(FIGURE)) / (WIDTH, HEIGHT), "subset": np.arange(18)[None]},
        "hands": np.ones((2, 21, 2)) / 2,
        "faces": np.ones((1, 68, 2)) / 2,
        **CANVAS,
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_figure(form: str) -> None:
    (pose,) = parse_poses(FORMS[form]).poses
    (one,) = pose.people
    squeeze = 512 / 768 if form in UNSTATED else 1
    for (x, y), point in zip(FIGURE, one.body, strict=True):
        assert point is not None, FIGURE.index((x, y))
        assert tuple(point)[:2] == pytest.approx((x, y * squeeze), abs=0.01)
        assert 0 < point.confidence <= 1
    assert pose.width >= 360
    assert pose.height >= 700 * squeeze
    assert draw_pose(pose).any()


@pytest.mark.parametrize(
    "form", ["openpose", "float canvas", "editor", "coco annotations", "the api of a1111", "persons"]
)
def test_a_stated_canvas_is_kept_without_a_note(form: str) -> None:
    file = parse_poses(FORMS[form])
    assert (file.poses[0].width, file.poses[0].height) == (WIDTH, HEIGHT)
    assert not file.free
    assert not any("canvas" in note for note in file.notes)


def test_the_whole_body_has_a_face_and_hands() -> None:
    (one,) = parse_poses(FORMS["coco-wholebody"]).poses[0].people
    for part, points in ((one.face, FACE), (one.left_hand, HAND), (one.right_hand, HAND)):
        assert part is not None
        assert [p and (p.x, p.y) for p in part[: len(points)]] == points


def test_a_canvas_that_is_not_stated_is_told_and_free() -> None:
    file = parse_poses(FORMS["openpose, no canvas"])
    assert file.free == {0}
    assert any("no canvas is stated" in note for note in file.notes)
    shares = parse_poses({"people": [person([(x / WIDTH, y / HEIGHT) for x, y in FIGURE])]})
    assert not shares.free
    assert (shares.poses[0].width, shares.poses[0].height) == (512, 512)
    assert "relative" in shares.notes[0]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("body 25", "BODY_25; left out: feet"),
        ("body 25b", "BODY_25B"),
        ("mmpose", "COCO; the neck is the middle of the shoulders"),
        ("-1 to 1", "-1 to 1"),
        ("movenet", "y stands before x"),
        ("shares, one off the canvas", "some keypoints lie off it"),
    ],
)
def test_what_was_taken_for_what_is_told(form: str, said: str) -> None:
    assert said in " ".join(parse_poses(FORMS[form]).notes)


def test_keypoints_in_one_corner_of_a_canvas_are_told() -> None:
    shares = [(3 * x / WIDTH, 3 * y / HEIGHT) for x, y in FIGURE]
    assert "check whether the canvas is theirs" in parse_poses({"people": [person(shares)], **CANVAS}).notes[0]
    far = [(400 + x / WIDTH, 300 + y / HEIGHT) for x, y in FIGURE]
    assert "1 x 1 pixels of 512 x 768" in parse_poses({"people": [person(far)], **CANVAS}).notes[0]
    assert not parse_poses({"people": [person()], **CANVAS}).notes


def test_mediapipes_hands_and_faces_beside_a_body_are_told() -> None:
    found = parse_poses({"pose_landmarks": RELATIVE, "left_hand_landmarks": RELATIVE[:21], **IMAGE})
    assert "left_hand_landmarks beside the bodies were left out" in found.notes


def test_keypoints_off_the_canvas_stay() -> None:
    points = [(x / WIDTH, y / HEIGHT) for x, y in FIGURE]
    points[4], points[10] = (-0.2, 0.5), (0.4, 1.08)
    body = from_openpose({"people": [person(points)], **CANVAS}).people[0].body
    assert body[4] == pytest.approx((-0.2 * WIDTH, 384, 0.9))
    assert body[10] == pytest.approx((0.4 * WIDTH, 1.08 * HEIGHT, 0.9))


@pytest.mark.parametrize("count", [56, 20, 67])
def test_faces_of_fewer_keypoints_are_dots(count: int) -> None:
    face = flat([(230 + i, 100) for i in range(count)], 1)
    file = parse_poses({"people": [person(face_keypoints_2d=face)], **CANVAS})
    found = file.poses[0].people[0].face
    assert found is not None
    assert (len(found), sum(point is not None for point in found)) == (70, count)
    assert f"faces of {count} keypoints" in file.notes[0]


def test_faces_of_other_forms_are_left_out_with_a_note() -> None:
    file = parse_poses({"people": [person(face_keypoints_2d=flat([(1, 2)] * 478))], **CANVAS})
    assert file.poses[0].people[0].face is None
    assert "face mesh" in file.notes[0]


def test_null_is_a_keypoint_that_was_not_found() -> None:
    body: list[Any] = flat(FIGURE)
    body[3:6] = [None] * 3
    file = parse_poses({"people": [{"pose_keypoints_2d": body}, None], **CANVAS})
    assert [one.body[1] for one in file.poses[0].people] == [None]
    assert "null" in file.notes[0]


def test_people_by_number_keep_their_canvas() -> None:
    file = parse_poses({"people": {"0": person(), "1": person()}, **CANVAS})
    assert len(file.poses[0].people) == 2
    assert (file.poses[0].width, file.notes) == (WIDTH, ())


def test_what_an_editor_keeps_beside_the_bodies_is_told() -> None:
    file = parse_poses({"width": 512, "height": 768, "keypoints": [pairs(FIGURE)], "hands": [pairs(HAND)]})
    assert file.notes == ("hands beside the bodies were left out",)


def test_people_of_several_pictures_are_told_apart() -> None:
    people = [{"image_id": i, "keypoints": flat(COCO)} for i in (1, 2, 1)]
    file = parse_poses(people)
    assert file.is_list
    assert [len(pose.people) for pose in file.poses] == [2, 1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"last_node_id": 3, "nodes": []}, "ComfyUI workflow"),
        ({"3": {"class_type": "KSampler", "inputs": {}}}, "ComfyUI workflow"),
        ({"shapes": [], "imagePath": "a.png"}, "LabelMe"),
        ({"people": [{"pose_keypoints_2d": flat(FIGURE[:16])}], **CANVAS}, "MPII"),
        ({"keypoints": pairs(HAND), **CANVAS}, "a hand"),
        ({"people": [{"pose_keypoints_3d": []}], **CANVAS, "pose_keypoints_3d": []}, "3D"),
        ({"a": 1, "b": 2}, "the keys 'a', 'b'"),
        ([1, 2], "a list of 2"),
        (3, "a number"),
        ({"people": [person()], "canvas_width": 10}, "no width or no height"),
        ({"people": [person()], "canvas_width": float("nan"), "canvas_height": 3}, "no area"),
        ({"people": [{"keypoints": pairs(FIGURE), "keypoint_scores": ["a"]}]}, "confidences"),
        ([{"people": [], **CANVAS}, None], "null"),
        ({"people": [{"pose_keypoints_2d": [], "pose_keypoints_3d": [1] * 100}]}, "3D"),
        ({"people": [{"pose_keypoints_3d": [1] * 100}]}, "3D"),
        ({"people": [person([(5 * i, 5 * i) for i in range(32)])]}, "32 keypoints"),
    ],
)
def test_what_cannot_be_read_says_what_it_looks_like(data: Any, said: str) -> None:
    with pytest.raises(BadImage, match=said) as caught:
        parse_poses(data)
    assert "expected" in caught.value.fix


KEYS = (
    *("people", "pose_keypoints_2d", "keypoints", "canvas_width", "canvas_height", "width", "height", "poses"),
    *("bodies", "candidate", "subset", "hands", "image_id", "instances", "instance_info", "animals", "x", "y"),
    *("annotations", "images", "keypoint_scores", "face_keypoints_2d", "hand_left_keypoints_2d", "position"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
@example({"people": [{"pose_keypoints_2d": [10**400] * 54}], **CANVAS})
@example({"bodies": {"candidate": 3, "subset": 4}})
@example({"bodies": {"candidate": [3], "subset": [[0.0, float("nan")]]}})
@example("[" * 3000)
def test_any_json_is_read_or_refused_by_name(data: Any) -> None:
    try:
        file = parse_poses(data)
    except BadImage:
        return
    for pose in file.poses:
        assert min(pose.width, pose.height) >= 1


points = st.tuples(st.floats(0, 1), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(points, min_size=18, max_size=18),
    st.lists(st.sampled_from([-0.4, -0.05, 1.03, 1.5, 2.5]), max_size=3),
    st.integers(64, 2000),
    st.integers(64, 2000),
)
def test_relative_coordinates_are_recognised_whatever_lies_off(
    inside: list[tuple[float, float]], off: list[float], width: int, height: int
) -> None:
    body = [(x, off[i] if i < len(off) else y) for i, (x, y) in enumerate(inside)]
    data = {"people": [person(body)], "canvas_width": width, "canvas_height": height}
    for (x, y), point in zip(body, from_openpose(data).people[0].body, strict=True):
        assert point is not None
        assert tuple(point)[:2] == pytest.approx((x * width, y * height), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 3000), st.floats(-9, 3000)), min_size=18, max_size=18), st.integers(1, 3000))
def test_what_is_written_is_read_as_it_was_meant(places: list[tuple[float, float]], side: int) -> None:
    (one,) = parse_poses([{"people": [person(places)], "canvas_width": side, "canvas_height": side}]).poses
    again = from_openpose(json.loads(json.dumps(to_openpose(one, confidences=True))))
    assert isinstance(again, Pose)
    for before, after in zip(one.people[0].body, again.people[0].body, strict=True):
        assert isinstance(before, Keypoint)
        assert isinstance(after, Keypoint)
        assert tuple(after) == pytest.approx(tuple(before), abs=1e-6)
