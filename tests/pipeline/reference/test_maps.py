from __future__ import annotations

import numpy as np
import pytest

from underdrawing.core.poses.drawing import draw_pose
from underdrawing.pipeline.reference import maps
from underdrawing.pipeline.reference.world.scene import Scene, render_scene
from underdrawing.pipeline.reference.world.spec import SceneSpec, Thing

SCENE = render_scene(1, 64)


@pytest.mark.parametrize("kind", maps.TRUTH_KINDS)
def test_maps_have_the_pictures_size(kind: maps.TruthKind) -> None:
    drawing = maps.draw_truth(SCENE, kind)
    assert (drawing.shape, drawing.dtype) == (SCENE.picture.shape, np.uint8)
    assert drawing.any()


def test_the_left_of_a_ball_is_redder_than_its_right() -> None:
    scene = Scene(SceneSpec(things=(Thing(kind="ball", place=1, colour="white"),)), 64)
    rows, columns = np.nonzero(scene.masks[0])
    row = int(np.median(rows))
    line = columns[rows == row]
    drawing = maps.draw_truth(scene, "normals")
    assert drawing[row, line.min(), 0] > 230
    assert drawing[row, line.max(), 0] < 25
    middle = drawing[row, int(line.mean())]
    assert middle[2] > 200


def test_packed_joints_are_drawn_like_the_pose() -> None:
    joints = np.full((3, 18, 2), np.nan)
    for row, point in zip(joints[0], SCENE.pose.people[0].body, strict=True):
        if point:
            row[:] = point.x, point.y
    assert np.array_equal(maps.draw_joints(joints, 64), draw_pose(SCENE.pose))


def test_lines_leave_padding_out() -> None:
    edges = np.concatenate([SCENE.edges, np.full((4, 4), np.nan, np.float32)])
    assert np.array_equal(maps.draw_lines(edges, 64), maps.draw_lines(SCENE.edges, 64))


def test_classes_have_ade20ks_colours() -> None:
    drawing = maps.draw_classes(np.array([[2, 12]], np.uint8))
    assert drawing.tolist() == [[[6, 230, 230], [150, 5, 61]]]
