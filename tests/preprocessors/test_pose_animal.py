"""Animals: who is found, how they are drawn, and their JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.golden.poses import inputs
from tests.support.random_weights import stand_in

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.model import to_openpose
from underdrawing.core.poses.reading import from_openpose
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.pose_animal import PoseAnimal
from underdrawing.preprocessors.weights.rtmpose_files import AP10K
from underdrawing.preprocessors.weights.yolo_files import YOLOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underdrawing.core.annotator import ControlMap
    from underdrawing.core.poses.model import Pose

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "poses" / "poses.npz"


@pytest.fixture(autouse=True, scope="module")
def _random_weights() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Networks whose weights are not on this machine run on random ones."""
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        yield


def live(**params: Any) -> ControlMap:
    picture, chosen = inputs.photo()[None], PoseAnimal.params(**params)
    return PoseAnimal(Placement(), chosen).run(Request(picture, chosen, Size(*picture.shape[1:3])))


def first(result: ControlMap) -> Pose:
    assert result.poses is not None
    return result.poses[0]


def test_animals_are_found_drawn_and_written() -> None:
    result = live()
    assert result.poses is not None
    (pose,) = result.poses
    assert pose.people == ()
    assert [len(animal) for animal in pose.animals] == [17, 17]
    data = json.loads(json.dumps(to_openpose(pose)))
    assert data["version"] == "ap10k"
    assert [len(animal) for animal in data["animals"]] == [51, 51]
    assert (data["people"], data["canvas_width"], data["canvas_height"]) == ([], 512, 512)
    assert np.array_equal(draw_pose(from_openpose(data)), result.images[0])


def test_no_animal_is_black_and_told() -> None:
    result = live(min_confidence=1.0)
    assert not result.images.any()
    assert result.notes == ("no animal was found in picture 1: the map is black",)


def test_how_many_and_how_sure() -> None:
    assert [len(first(live(max_animals=count)).animals) for count in (1, 2, 9)] == [1, 2, 2]
    every, sure = (first(live(min_keypoint_confidence=share)).animals[0] for share in (0.0, 0.97))
    assert sum(point is not None for point in sure) < sum(point is not None for point in every)
    assert all(point is None or point.confidence <= 1 for point in every)


@pytest.mark.parametrize("name", ["animal_openpose", "AnimalPosePreprocessor"])
def test_names_of_existing_workflows(name: str) -> None:
    found = registry.resolve(name)
    assert found.annotator is PoseAnimal
    assert PoseAnimal.weights_for(PoseAnimal.params(**found.presets)) == (YOLOX, AP10K)


def test_without_a_detector_the_whole_picture_is_one_animal() -> None:
    assert PoseAnimal.weights_for(PoseAnimal.params(detector="none")) == (AP10K,)
    assert len(first(live(detector="none")).animals) == 1
