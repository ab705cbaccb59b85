from __future__ import annotations

import numpy as np
import pytest

from underdrawing.pipeline.reference.world.scene import render_scene
from underdrawing.pipeline.reference.world.spec import COLOURS, GUESTS, KINDS, Kind


@pytest.mark.parametrize("kind", GUESTS)
def test_a_guest_takes_the_place_of_one_thing(kind: Kind) -> None:
    plain, scene = render_scene(4, 32), render_scene(4, 32, kind)
    kinds = [thing.kind for thing in scene.spec.things]
    assert kinds.count(kind) == 1
    changed = [a != b for a, b in zip(plain.spec.things, scene.spec.things, strict=True)]
    assert sum(changed) == 1
    assert kind in scene.caption
    index = kinds.index(kind)
    assert scene.masks[index].any()
    assert scene.spec.things[index].place == plain.spec.things[index].place


def test_guests_are_none_of_what_was_trained_and_come_in_all_colours() -> None:
    assert not set(GUESTS) & set(KINDS)
    things = [thing for seed in range(60) for thing in render_scene(seed, 32, "mushroom").spec.things]
    assert {thing.colour for thing in things if thing.kind == "mushroom"} == set(COLOURS)


def test_a_mushroom_shows_its_colour_and_a_snowman_is_white() -> None:
    for kind in GUESTS:
        scene = render_scene(5, 64, kind)
        index = [thing.kind for thing in scene.spec.things].index(kind)
        shown = scene.picture[scene.masks[index]].astype(np.float64).mean(0)
        assert (shown.max() - shown.min() > 40) == (kind == "mushroom")
