"""RT-DETR and ViTPose: pictures in and points out as transformers' own processors have them; the published files' keys.

Golden data: transformers 5.23. A crop differs from its where a box reaches beyond the picture: scipy blackens the last
line of pixels, OpenCV, which ViTPose was trained with, fades it out.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden.poses import inputs
from tests.support import random_weights, tiny_poses
from tests.support.random_weights import stand_in

from underdrawing.core.annotator import Request
from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.nets.rtdetr import RTDETR_MODEL
from underdrawing.preprocessors.nets.vitpose import VITPOSE_MODEL
from underdrawing.preprocessors.people import rtdetr, vitpose
from underdrawing.preprocessors.pose_vitpose import PoseVitpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from underdrawing.core.annotator import ControlMap
    from underdrawing.core.poses.model import Pose

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "poses"
INSIDE = [0, 2]
"""Boxes that lie in the picture, with their margins."""


@pytest.fixture(autouse=True, scope="module")
def _random_weights() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Networks whose weights are not on this machine run on random ones."""
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        yield


@cache
def golden(file: str = "poses.npz") -> dict[str, NDArray[Any]]:
    with np.load(FOLDER / file) as arrays:
        return dict(arrays)


# Against transformers.


def test_the_square_is_transformers_within_a_level() -> None:
    square = rtdetr.preprocess(inputs.photo())
    assert square.shape == (1, 3, 640, 640)
    difference = np.abs(square[0, :, ::5, ::5].numpy() * 255 - golden()["square"])
    assert difference.max() <= 1.01
    assert difference.mean() <= 0.2


def test_people_of_the_queries_are_transformers() -> None:
    logits, boxes = map(torch.from_numpy, inputs.queries())
    found = rtdetr.decode_boxes(logits, boxes, (300, 500), min_confidence=0.3)
    assert len(found) == 30
    assert np.array_equal(found, golden()["queries"][:, :4])


def test_crops_are_transformers() -> None:
    crops = vitpose.crop_images(inputs.photo(), vitpose.crop_regions(inputs.BOXES))[:, :, ::4, ::4]
    levels = np.abs(crops - golden()["vit_crops"].astype(np.float32)) * 0.225 * 255
    assert levels[INSIDE].max() <= 1.5
    assert (levels[1] > 1.5).mean() <= 0.03
    assert levels[1].max() > 10  # the border, see above


def test_points_of_heat_maps_are_transformers() -> None:
    """Coordinates are in pixels; the golden boxes are up to 575 pixels high."""
    areas = vitpose.crop_regions(inputs.BOXES)
    found = vitpose.to_image(vitpose.decode_heatmaps(torch.from_numpy(inputs.heat(3))).numpy(), areas, (48, 64))
    assert np.abs(found - golden()["vit_points"]).max() <= 1e-3


def test_points_of_a_picture_are_transformers() -> None:
    """From the picture through a random network: within a tenth of a pixel, though crops differ by a level."""
    config = tiny_poses.estimator(SimpleNamespace(num_labels=17))
    model = random_weights.fill(tiny_poses.KNOWN.VitPoseForPoseEstimation(config), 3).eval()
    areas = vitpose.crop_regions(inputs.BOXES)
    with torch.inference_mode():
        heat = model(torch.from_numpy(vitpose.crop_images(inputs.photo(), areas))).heatmaps
    found = vitpose.to_image(vitpose.decode_heatmaps(heat).numpy(), areas, (48, 64))
    difference = np.abs(found - golden()["vit_whole"])[INSIDE]
    assert float(heat.std()) > 0.1
    assert difference[..., :2].max() <= 0.1
    assert difference[..., 2].max() <= 1e-3


# Decoding by itself.


@settings(max_examples=30, deadline=None)
@given(st.floats(4, 43), st.floats(4, 59), st.floats(0.2, 1))
def test_a_gauss_is_found_between_its_cells(x: float, y: float, top: float) -> None:
    rows, columns = np.mgrid[:64, :48]
    heat = top * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    found = vitpose.decode_heatmaps(torch.tensor(heat, dtype=torch.float32)[None, None])[0, 0].tolist()
    assert found[:2] == pytest.approx([x, y], abs=0.02)
    assert found[2] == pytest.approx(top, rel=0.15)


@pytest.mark.parametrize("level", [0.0, 0.5, -1.0])
def test_flat_maps_give_finite_points(level: float) -> None:
    found = vitpose.decode_heatmaps(torch.full((1, 17, 64, 48), level))
    assert torch.isfinite(found).all()
    assert (found[..., :2] == 0).all()


def test_a_region_has_the_crops_shape_around_its_box() -> None:
    areas = vitpose.crop_regions(np.array([[10, 20, 110, 60], [0, 0, 30, 100]], np.float32))
    assert areas.centres.tolist() == [[60, 40], [15, 50]]
    assert areas.sizes[0].tolist() == pytest.approx([125, 500 / 3])
    assert areas.sizes[1].tolist() == pytest.approx([93.75, 125])


# The published files.


def published(name: str, *, twice: bool = True) -> dict[str, torch.Tensor]:
    """Tensors under the keys of the published file, a number each. twice: the heads also stand at the top, as in older
    copies."""
    table = json.loads(bytes(golden("keys.npz")[name]))
    kept = {n: shape for n, shape in table.items() if twice or not n.startswith(("bbox_embed", "class_embed"))}
    return {
        n: torch.full(shape, i, dtype=torch.int64 if n.endswith("batches_tracked") else torch.float32)
        for i, (n, shape) in enumerate(kept.items())
    }


@pytest.mark.parametrize(("name", "twice"), [("rtdetr", True), ("rtdetr", False), ("vitpose", True)])
def test_the_published_keys_load_strictly(name: str, twice: bool) -> None:
    load = RTDETR_MODEL if name == "rtdetr" else VITPOSE_MODEL
    tensors = published(name, twice=twice)
    assert len(tensors) == {("rtdetr", True): 812, ("rtdetr", False): 764, ("vitpose", True): 199}[name, twice]
    loaded = load(tensors, {}, name).state_dict()
    own = {n: tensor for n, tensor in tensors.items() if not n.startswith(("bbox_embed", "class_embed"))}
    floats = [[t for n, t in table.items() if "num_batches" not in n] for table in (own, loaded)]
    numbers = [{(float(t.reshape(-1)[0]), t.numel()) for t in table} for table in floats]
    assert numbers[0] == numbers[1]
    assert all(bool((t == t.reshape(-1)[0]).all()) for t in floats[1])


@pytest.mark.parametrize("fault", ["missing", "unexpected"])
@pytest.mark.parametrize("name", ["rtdetr", "vitpose"])
def test_a_file_that_does_not_fit_is_refused(name: str, fault: str) -> None:
    tensors = published(name, twice=False)
    if fault == "missing":
        del tensors[next(key for key in tensors if key.endswith("convolution.weight") or key.endswith("query.weight"))]
    else:
        tensors["head.more.weight"] = torch.zeros(1)
    with pytest.raises(BadWeights, match=fault):
        (RTDETR_MODEL if name == "rtdetr" else VITPOSE_MODEL)(tensors, {}, name)


# The annotator.


def live(**params: Any) -> ControlMap:
    picture, chosen = inputs.photo()[None], PoseVitpose.params(**params)
    return PoseVitpose(Placement(), chosen).run(Request(picture, chosen, Size(256, 256)))


def first(result: ControlMap) -> Pose:
    assert result.poses is not None
    return result.poses[0]


def test_people_have_bodies_and_nothing_else() -> None:
    pose = first(live())
    assert len(pose.people) == 3
    assert all(sum(point is not None for point in person.body) > 3 for person in pose.people)
    assert {(person.face, person.left_hand, person.right_hand) for person in pose.people} == {(None, None, None)}
    assert len(first(live(max_people=1)).people) == 1


def test_nobody_is_black_and_told() -> None:
    result = live(min_confidence=1.0)
    assert not result.images.any()
    assert "nobody was found" in result.notes[0]


def test_a_backend_that_cannot_run_it_is_refused() -> None:
    with pytest.raises(BadParameter, match="openvino"):
        rtdetr.detect_boxes(inputs.photo(), Placement(backend="openvino"), (0,), min_confidence=0.5)


def test_every_weight_may_be_used_commercially() -> None:
    assert PoseVitpose.spec.commercial
    assert all(weight.commercial and weight.licence == "Apache-2.0" for weight in PoseVitpose.spec.weights)
