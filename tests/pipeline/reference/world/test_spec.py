from __future__ import annotations

import numpy as np

from underdrawing.pipeline.reference.world.spec import COLOURS, TREE_COLOURS, mirror_spec, sample_spec


def test_a_seed_gives_one_scene() -> None:
    first, again, other = (sample_spec(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again != other


def test_things_have_places_of_their_own_from_left_to_right() -> None:
    for seed in range(100):
        things = sample_spec(np.random.default_rng(seed)).things
        places = [thing.place for thing in things]
        assert 1 <= len(places) == len(set(places)) <= 3
        assert places == sorted(places)
        assert all(thing.colour in (TREE_COLOURS if thing.kind == "tree" else COLOURS) for thing in things)


def test_everything_occurs() -> None:
    specs = [sample_spec(np.random.default_rng(seed)) for seed in range(200)]
    things = [thing for spec in specs for thing in spec.things]
    assert len({thing.kind for thing in things}) == 5
    assert len({thing.pose for thing in things if thing.kind == "person"}) == 4
    assert {(spec.ground, spec.time) for spec in specs} == {
        (ground, time) for ground in ("grass", "sand", "snow") for time in ("by day", "at sunset", "at night")
    }


def test_a_mirror_image_of_a_mirror_image_is_the_scene() -> None:
    for seed in range(20):
        spec = sample_spec(np.random.default_rng(seed))
        assert mirror_spec(mirror_spec(spec)) == spec
