from __future__ import annotations

import hashlib

import numpy as np
import pytest

from underdrawing.pipeline.reference.world.camera import EYE, find_position
from underdrawing.pipeline.reference.world.scene import Scene, render_scene
from underdrawing.pipeline.reference.world.spec import SceneSpec, Thing
from underdrawing.pipeline.reference.world.styles import STYLES


def build(kind: str, place: int = 1, **more: object) -> Scene:
    thing = Thing(kind=kind, place=place, colour="red", **more)  # type: ignore[arg-type]
    return Scene(SceneSpec(things=(thing,)), 64)


def test_a_seed_gives_the_same_picture() -> None:
    digests = [hashlib.sha256(render_scene(3, 64).picture.tobytes()).hexdigest() for _ in range(2)]
    assert digests[0] == digests[1]
    assert not np.array_equal(render_scene(3, 64).picture, render_scene(4, 64).picture)


def test_shapes_and_types() -> None:
    scene = render_scene(1)
    assert (scene.picture.shape, scene.picture.dtype) == ((128, 128, 3), np.uint8)
    assert (scene.depth.shape, scene.normals.shape) == ((128, 128), (128, 128, 3))
    assert (scene.classes.dtype, scene.owners.dtype) == (np.uint8, np.int8)
    assert scene.masks.shape == (len(scene.spec.things), 128, 128)
    assert scene.edges.shape[1:] == (4,)
    assert np.abs(np.linalg.norm(scene.normals, axis=-1) - 1).max() < 1e-5


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_every_thing_of_the_caption_is_seen_in_its_place(seed: int) -> None:
    scene = render_scene(seed, 64)
    for thing, mask in zip(scene.spec.things, scene.masks, strict=True):
        assert mask.sum() > 0, "hidden behind others"
        alone = Scene(SceneSpec(things=(thing,)), 64)
        middle = float(np.nonzero(alone.masks[0])[1].mean())
        assert abs(middle - (32 + 20 * (thing.place - 1))) < 6


def test_a_ball_is_as_far_as_its_nearest_point() -> None:
    scene = build("ball", depth=0.5, size=1.0)
    x, y = find_position(scene.spec.things[0])
    nearest = float(np.linalg.norm([x, y, 0.62] - EYE.astype(np.float64)) - 0.62)
    ball = scene.depth[scene.masks[0]]
    assert ball.min() == pytest.approx(nearest, rel=0.01)
    assert np.isinf(scene.depth[0]).all(), "the sky has no depth"


def test_the_ground_is_a_plane() -> None:
    scene = Scene(SceneSpec(things=()), 64)
    ground = np.isfinite(scene.depth)
    assert ground[-1].all()
    nearness = 1 / scene.depth[40:, 20]
    steps = np.diff(nearness)
    assert steps == pytest.approx(steps.mean(), rel=0.02), "one over depth is linear in the row"


def test_colours_are_seen() -> None:
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        thing = Thing(kind="box", place=1, colour=colour)
        scene = Scene(SceneSpec(things=(thing,)), 64)
        mean = scene.picture[scene.masks[0]].mean(0)
        assert mean.argmax() == channel


def test_night_is_darker_than_day_and_still_legible() -> None:
    means: dict[str, float] = {}
    for time in ("by day", "at night"):
        thing = Thing(kind="ball", place=1, colour="red")
        scene = Scene(SceneSpec(things=(thing,), time=time), 64)  # type: ignore[arg-type]
        means[time] = float(scene.picture.mean())
        assert scene.picture[scene.masks[0]].mean(0).argmax() == 0
    assert means["by day"] > means["at night"] > 60


def test_hills_stand_between_sky_and_ground() -> None:
    with_hills, without = (Scene(SceneSpec(things=(), hills=hills), 64) for hills in (True, False))
    assert {2, 9, 68} == set(np.unique(with_hills.classes).tolist())
    assert {2, 9} == set(np.unique(without.classes).tolist())
    assert np.array_equal(with_hills.depth, without.depth)


def test_light_leaves_a_soft_shadow() -> None:
    thing = Thing(kind="ball", place=1, colour="white")
    spec = SceneSpec(things=(thing,), sun=0.9)
    scene, empty = Scene(spec), Scene(SceneSpec(things=(), sun=0.9))
    ground = ~scene.masks[0] & (scene.classes == 9)
    change = scene.picture.astype(int).mean(-1)[ground] - empty.picture.astype(int).mean(-1)[ground]
    assert (change < -40).sum() > 50
    assert ((change < -10) & (change > -40)).sum() > 30


def test_styles_differ_and_keep_the_layout() -> None:
    scene = render_scene(1, 64)
    pictures = scene.draw_all(STYLES)
    assert all(a.shape == scene.picture.shape for a in pictures)
    assert np.array_equal(pictures[0], scene.picture)
    blue = pictures[2].astype(int).mean((0, 1))
    assert blue[2] > blue[0] + 60
    assert np.abs(pictures[1].astype(int) - pictures[0].astype(int)).mean() > 8
