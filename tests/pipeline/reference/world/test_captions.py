from __future__ import annotations

import numpy as np
import pytest

from underdrawing.pipeline.reference.world.captions import describe_scene, describe_thing, vary_caption
from underdrawing.pipeline.reference.world.spec import PLACES, SceneSpec, Thing, mirror_spec, sample_spec


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Thing(kind="ball", place=0, colour="red", shiny=True), "a shiny red ball"),
        (Thing(kind="tree", place=0, colour="orange"), "an orange tree"),
        (Thing(kind="person", place=0, colour="blue", pose="with arms up"), "a person in blue with arms up"),
    ],
)
def test_a_thing_in_words(thing: Thing, words: str) -> None:
    assert describe_thing(thing) == words


def test_a_caption_says_what_is_there() -> None:
    for seed in range(60):
        spec = sample_spec(np.random.default_rng(seed))
        parts = describe_scene(spec).split(", ")
        assert len(parts) == len(spec.things) + 2 + spec.hills
        for thing, part in zip(spec.things, parts, strict=False):
            assert all(word in part for word in (thing.kind, thing.colour, PLACES[thing.place]))
        assert [spec.ground, spec.time] == parts[len(spec.things) : len(spec.things) + 2]


def test_a_mirrored_caption_changes_sides() -> None:
    spec = SceneSpec(things=(Thing(kind="box", place=0, colour="white"), Thing(kind="ball", place=1, colour="red")))
    text = "a red ball in the middle, a white box on the right, grass, by day"
    assert describe_scene(mirror_spec(spec)) == text


def test_varied_captions_are_parts_of_the_whole() -> None:
    spec = sample_spec(np.random.default_rng(4))
    rng = np.random.default_rng(0)
    captions = {vary_caption(spec, rng) for _ in range(200)}
    whole = describe_scene(spec)
    assert whole in captions
    assert len(captions) > 3
    assert all(part in whole for caption in captions for part in caption.split(", "))


def test_a_style_is_named_last() -> None:
    assert describe_scene(SceneSpec(things=()), style="storybook") == "grass, by day, storybook"
