"""Facts of maps."""

from __future__ import annotations

import msgspec
import numpy as np
from tests.support.maps import map_of
from tests.support.pictures import flat, photo

from underdrawing.core.annotator import ControlMap
from underdrawing.core.dataset.facts import DepthFacts, MapFacts, find_facts
from underdrawing.core.poses.model import Keypoint, Person, Pose
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.canny import Canny

POSES, DEPTH, TILES = (registry.resolve(name).annotator.spec for name in ("pose_dwpose", "depth_dav2", "tile"))


def empty(height: int = 4, width: int = 6) -> np.ndarray:
    return np.zeros((1, height, width, 3), np.uint8)


def test_a_map_that_shows_nothing_measured_has_its_size() -> None:
    assert find_facts(TILES, ControlMap(empty())) == MapFacts(6, 4)


def test_edges_are_the_share_of_white() -> None:
    assert find_facts(Canny.spec, map_of(Canny, flat(20, 30, 128))).edges == 0
    result = map_of(Canny, photo())
    assert find_facts(Canny.spec, result).edges == round(float((result.images[0, ..., 0] == 255).mean()), 6)


def test_soft_lines_count_from_half_of_white() -> None:
    images = empty(2, 2)
    images[0, 0, 0], images[0, 1, 1] = 127, 128
    assert find_facts(registry.resolve("hed").annotator.spec, ControlMap(images)).edges == 0.25


def test_people_are_counted_the_most_complete_first() -> None:
    point = Keypoint(1, 1)
    some, whole = Person(body=(point,) * 9 + (None,) * 9), Person(body=(point,) * 18)
    pose = Pose((some, whole, Person()), 6, 4)
    facts = find_facts(POSES, ControlMap(np.concatenate([empty(), empty()]), poses=(Pose((), 6, 4), pose)), 1)
    assert (facts.people, facts.keypoints, facts.animals) == (3, (1.0, 0.5, 0.0), None)


def test_animals_are_counted_beside_people() -> None:
    pose = Pose((), 6, 4, animals=((Keypoint(1, 1),) * 17,))
    facts = find_facts(POSES, ControlMap(empty(), poses=(pose,)))
    assert (facts.people, facts.keypoints, facts.animals) == (0, (1.0,), 1)


def test_depth_is_told_by_its_values_and_its_spread() -> None:
    images = empty(10, 10)
    images[0, :, 5:] = 204
    values = np.full((1, 10, 10), 2.5, np.float32)
    values[0, 0, 0], values[0, 0, 1] = 1.25, np.nan
    assert find_facts(DEPTH, ControlMap(images, values)).depth == DepthFacts(1.25, 2.5, 0.8)
    assert find_facts(DEPTH, ControlMap(empty())).depth == DepthFacts(0, 0, 0)


def test_tails_do_not_count_as_spread() -> None:
    images = empty(10, 10)
    images[0, 0, :4] = 255
    depth = find_facts(DEPTH, ControlMap(images)).depth
    assert depth is not None
    assert depth.spread == 0


def test_facts_are_plain_and_short_as_json() -> None:
    facts = find_facts(Canny.spec, map_of(Canny, flat(20, 30, 128)))
    assert msgspec.json.encode(facts) == b'{"width":30,"height":20,"edges":0.0}'
    assert msgspec.json.decode(msgspec.json.encode(facts), type=MapFacts) == facts
