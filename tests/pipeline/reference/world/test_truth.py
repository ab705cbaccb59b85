from __future__ import annotations

import numpy as np
import pytest

from underdrawing.pipeline.reference.world.scene import Scene, render_scene
from underdrawing.pipeline.reference.world.spec import SceneSpec, Thing
from underdrawing.pipeline.reference.world.truth import ADE20K, encode_depth
from underdrawing.preprocessors.maps.palettes import ADE20K as CLASSES


def test_class_numbers_have_ade20ks_names() -> None:
    names = {"snow": "earth", "box": "case"}
    assert {name: CLASSES.names[number] for name, number in ADE20K.items()} == {n: names.get(n, n) for n in ADE20K}


def test_class_colours_can_be_told_apart() -> None:
    colours = np.array([CLASSES.colour(number) for number in ADE20K.values()], int)
    apart = np.abs(colours[:, None] - colours[None]).sum(-1) + 1000 * np.eye(len(colours), dtype=int)
    assert apart.min() > 40


@pytest.mark.parametrize("seed", range(5))
def test_classes_agree_with_masks(seed: int) -> None:
    scene = render_scene(seed, 64)
    for thing, mask in zip(scene.spec.things, scene.masks, strict=True):
        assert (scene.classes[mask] == ADE20K[thing.kind]).all()
    rest = set(np.unique(scene.classes[scene.owners < 0]).tolist())
    assert rest <= {ADE20K["sky"], ADE20K["hill"], ADE20K[scene.spec.ground]}


def test_near_is_white_and_the_sky_black() -> None:
    depth = np.array([[np.inf, 20.0], [7.1, 3.0]], np.float32)
    assert encode_depth(depth).tolist() == [[0, 45], [128, 255]]


@pytest.mark.parametrize("pose", ["standing", "waving", "with arms up", "running"])
def test_joints_lie_on_the_person(pose: str) -> None:
    thing = Thing(kind="person", place=1, colour="red", pose=pose)  # type: ignore[arg-type]
    scene = Scene(SceneSpec(things=(thing,)))
    (person,) = scene.pose.people
    assert len(person.body) == 18
    points = [point for point in person.body if point]
    on = [
        scene.masks[0][max(int(p.y) - 2, 0) : int(p.y) + 3, max(int(p.x) - 2, 0) : int(p.x) + 3].any() for p in points
    ]
    assert len(points) == 18
    assert all(on)


def test_arms_that_are_up_are_above_the_shoulders() -> None:
    thing = Thing(kind="person", place=1, colour="red", pose="with arms up")
    body = Scene(SceneSpec(things=(thing,))).pose.people[0].body
    right_shoulder, right_wrist, left_shoulder, left_wrist = (body[index] for index in (2, 4, 5, 7))
    assert right_shoulder is not None
    assert right_wrist is not None
    assert left_shoulder is not None
    assert left_wrist is not None
    assert right_wrist.y < right_shoulder.y - 10
    assert left_wrist.y < left_shoulder.y - 10
    assert right_shoulder.x < left_shoulder.x, "people face the camera: their right is on the picture's left"


def test_joints_behind_something_are_missing() -> None:
    person = Thing(kind="person", place=1, colour="red", depth=1.2)
    house = Thing(kind="house", place=1, colour="blue", depth=-0.8)
    scene = Scene(SceneSpec(things=(person, house)))
    seen = [point for p in scene.pose.people for point in p.body if point]
    assert len(seen) < 12


def test_edges_of_a_box_lie_on_its_outline() -> None:
    thing = Thing(kind="box", place=1, colour="red", turn=0.5)
    scene = Scene(SceneSpec(things=(thing,)))
    assert 7 <= len(scene.edges) <= 11, "three faces are seen: nine edges"
    mask = scene.masks[0]
    for x1, y1, x2, y2 in scene.edges.tolist():
        for x, y in ((x1, y1), ((x1 + x2) / 2, (y1 + y2) / 2), (x2, y2)):
            assert mask[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any()


def test_a_ball_has_no_straight_edges() -> None:
    scene = Scene(SceneSpec(things=(Thing(kind="ball", place=1, colour="red"),)))
    assert scene.edges.shape == (0, 4)
