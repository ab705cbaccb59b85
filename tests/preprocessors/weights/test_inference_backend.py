"""What runs DWPose and animal poses: the choice of files, packages that are missing, and the same poses either way."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.golden.poses import inputs
from tests.support.fake_packages import put_package
from tests.support.random_weights import stand_in

from underdrawing.core import imports
from underdrawing.core.annotator import Request
from underdrawing.core.errors import BadParameter, MissingExtra
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import onnx
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.model import list_parts
from underdrawing.preprocessors.nets import rtmpose, yolox
from underdrawing.preprocessors.people import detection, rtdetr, yolo
from underdrawing.preprocessors.pose_animal import PoseAnimal
from underdrawing.preprocessors.pose_dwpose import PoseDwpose
from underdrawing.preprocessors.weights import inference_backend
from underdrawing.preprocessors.weights.rtmpose_files import AP10K, AP10K_TORCH, WHOLE_BODY, WHOLE_BODY_TORCH
from underdrawing.preprocessors.weights.yolo_files import ALL_DETECTORS, DETECTORS, RTDETR, YOLOX, YOLOX_TORCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from underdrawing.core.annotator import Annotator, ControlMap

ONNX, TORCH = WHOLE_BODY["dw-ll_ucoco_384"], WHOLE_BODY_TORCH["dw-ll_ucoco_384"]
both = pytest.mark.parametrize("annotator", [PoseDwpose, PoseAnimal], ids=lambda a: a.spec.id)
with_onnx = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")


@pytest.fixture(autouse=True, scope="module")
def _random_weights() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Networks whose weights are not on this machine run on random ones."""
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        yield


def having(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    """Make all packages look installed but these."""

    def find(name: str) -> object | None:
        return None if name in absent else object()

    monkeypatch.setattr(inference_backend, "find_spec", find)
    monkeypatch.setattr(onnx, "find_spec", find)
    monkeypatch.setattr(imports, "_is_installed", lambda module: module.partition(".")[0] not in absent)  # type: ignore[attr-defined]


def run(annotator: type[Annotator[Any]], placement: Placement | None = None, **params: Any) -> ControlMap:
    picture, chosen = inputs.photo()[None], annotator.params(**params)
    return annotator(placement or Placement(), chosen).run(Request(picture, chosen, Size(*picture.shape[1:3])))


def rows(result: ControlMap) -> np.ndarray[Any, Any]:
    """Every point of everybody: [points, 3], NaN where there is none."""
    assert result.poses is not None
    (pose,) = result.poses
    parts = [part or () for person in pose.people for part in list_parts(person)] + list(pose.animals)
    return np.array([(np.nan,) * 3 if point is None else point for part in parts for point in part])


# The choice.


@pytest.mark.parametrize(("runtime", "installed", "torch_runs"), [
    ("auto", True, False),
    ("auto", False, True),
    ("onnxruntime", True, False),
    ("onnxruntime", False, False),
    ("torch", True, True),
    ("torch", False, True),
])  # fmt: skip
def test_the_runtime_chooses_the_files(
    monkeypatch: pytest.MonkeyPatch, runtime: Any, installed: bool, torch_runs: bool
) -> None:
    having(monkeypatch, *(() if installed else ("onnxruntime",)))
    people, animals = PoseDwpose.params(inference_backend=runtime), PoseAnimal.params(inference_backend=runtime)
    assert PoseDwpose.weights_for(people) == ((YOLOX_TORCH, TORCH) if torch_runs else (YOLOX, ONNX))
    assert PoseAnimal.weights_for(animals) == ((YOLOX_TORCH, AP10K_TORCH) if torch_runs else (YOLOX, AP10K))


@pytest.mark.parametrize("installed", [True, False])
def test_what_is_published_for_onnx_runtime_only_stays_there(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    having(monkeypatch, *(() if installed else ("onnxruntime",)))
    assert PoseAnimal.weights_for(PoseAnimal.params(detector="yolo_nas_s"))[0] == DETECTORS["yolo_nas_s"]
    small = PoseDwpose.params(detector="none", estimator="dw-ll_ucoco")
    assert PoseDwpose.weights_for(small) == (WHOLE_BODY["dw-ll_ucoco"],)


@pytest.mark.parametrize(("annotator", "params"), [
    (PoseDwpose, {"detector": "yolo_nas_l"}),
    (PoseDwpose, {"estimator": "dw-ll_ucoco"}),
    (PoseAnimal, {"detector": "yolo_nas_m"}),
])  # fmt: skip
def test_torch_refuses_what_it_cannot_run(annotator: type[Annotator[Any]], params: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=r"ONNX Runtime only.*Next: set inference_backend to auto") as caught:
        annotator.weights_for(annotator.params(inference_backend="torch", **params))
    assert annotator.spec.id in str(caught.value)


@both
def test_rt_detr_runs_whatever_the_runtime(annotator: type[Annotator[Any]]) -> None:
    for runtime in ("auto", "onnxruntime", "torch"):
        assert annotator.weights_for(annotator.params(detector="rtdetr", inference_backend=runtime))[0] == RTDETR
    assert set(ALL_DETECTORS) < set(annotator.spec.weights)


@both
def test_nothing_needs_onnx_runtime_by_itself(annotator: type[Annotator[Any]]) -> None:
    assert annotator.spec.requires == ("cv2", "torch")


# Missing packages.


@both
def test_a_missing_runtime_is_told_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, annotator: type[Annotator[Any]]
) -> None:
    having(monkeypatch, "onnxruntime")
    for params in ({"inference_backend": "onnxruntime"}, {"detector": "yolo_nas_l"}):
        with pytest.raises(MissingExtra, match=r"needs the package onnxruntime\. Next: pip install"):
            annotator.create(annotator.params(**params), device="cpu")
    assert annotator.create(annotator.params(), device="cpu").spec.id == annotator.spec.id


@both
def test_rt_detr_without_transformers_is_told(monkeypatch: pytest.MonkeyPatch, annotator: type[Annotator[Any]]) -> None:
    having(monkeypatch, "transformers", "onnxruntime")
    with pytest.raises(MissingExtra, match=r"needs transformers\. Next: choose.* pip install transformers"):
        annotator.create(annotator.params(detector="rtdetr"), device="cpu")


@both
def test_an_old_transformers_is_told_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, annotator: type[Annotator[Any]]
) -> None:
    put_package(monkeypatch, tmp_path, "transformers", "models.dpt")
    with pytest.raises(MissingExtra, match=r"has no rt_detr\. Next: choose the detector yolox_l") as caught:
        annotator.create(annotator.params(detector="rtdetr"), device="cpu")
    assert "pip install" not in str(caught.value)


# The whole, either way.


@with_onnx
@both
@pytest.mark.parametrize("params", [{}, {"reference_compat": True}, {"detector": "none"}], ids=str)
def test_both_runtimes_give_the_same_poses(annotator: type[Annotator[Any]], params: dict[str, Any]) -> None:
    """The stand-ins answer alike, so what is left is rounding: bins are equal, confidences close."""
    one, other = (run(annotator, inference_backend=runtime, **params) for runtime in ("onnxruntime", "torch"))
    first, second = rows(one), rows(other)
    assert len(first) >= 17
    assert np.array_equal(np.isnan(first), np.isnan(second))
    assert np.nanmax(np.abs(first - second)[:, :2]) <= 1e-3
    assert np.nanmax(np.abs(first - second)[:, 2]) <= 1e-4
    assert (one.images != other.images).mean() <= 1e-3


@both
def test_torch_needs_no_onnx_runtime(monkeypatch: pytest.MonkeyPatch, annotator: type[Annotator[Any]]) -> None:
    having(monkeypatch, "onnxruntime")
    result = run(annotator)
    assert np.isfinite(rows(result)).any()
    assert result.notes == ()
    assert np.array_equal(result.images, run(annotator, inference_backend="torch").images)


@with_onnx
@both
def test_only_onnx_files_can_run_elsewhere(monkeypatch: pytest.MonkeyPatch, annotator: type[Annotator[Any]]) -> None:
    opened = onnx.open_network

    def aside(weight: Any, placement: Placement) -> Any:
        network = opened(weight, placement)
        network.note = "this ONNX Runtime does not run on cuda"
        return network

    monkeypatch.setattr(onnx, "open_network", aside)
    onnx.unload()
    assert run(annotator, inference_backend="onnxruntime").notes == (
        "this ONNX Runtime does not run on cuda; or set inference_backend to torch",
    )
    assert run(annotator, inference_backend="torch").notes == ()
    onnx.unload()


@both
def test_torch_follows_the_number_format(annotator: type[Annotator[Any]]) -> None:
    assert np.isfinite(rows(run(annotator, Placement(dtype="bfloat16"), inference_backend="torch"))).any()
    with pytest.raises(BadParameter, match="bfloat16"):
        run(annotator, Placement(dtype="bfloat16"), inference_backend="onnxruntime")


@both
def test_rt_detr_finds_figures(annotator: type[Annotator[Any]]) -> None:
    """The small random network sees every class everywhere, three times."""
    assert len(rows(run(annotator, detector="rtdetr", inference_backend="torch", min_confidence=0.05))) >= 17
    assert not run(annotator, detector="rtdetr", inference_backend="torch", min_confidence=1.0).images.any()


def test_torch_detector_sees_bgr(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def answer(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.zeros(1, 8400, 85)

    def network(*args: Any) -> Any:
        return answer

    monkeypatch.setattr(yolox, "load_network", network)
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[...] = 200, 100, 50
    for parity in (False, True):
        detection.detect_boxes(picture, YOLOX_TORCH, Placement(), (0,), reference_compat=parity)
    assert [x[0, :, 10, 10].tolist() for x in seen] == [[50, 100, 200], [200, 100, 50]]
    assert seen[0].dtype == torch.float32


def test_each_pose_network_gets_the_torch_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    curves = rtmpose.load_rtmpose

    def noted(weight: Any, placement: Placement) -> Any:
        asked.append(weight)
        return curves(weight, placement)

    monkeypatch.setattr(rtmpose, "load_rtmpose", noted)
    for annotator in (PoseDwpose, PoseAnimal):
        run(annotator, detector="none", inference_backend="torch")
    assert asked == [TORCH, AP10K_TORCH]


# Boxes.


def test_queries_of_several_classes_are_found_once() -> None:
    logits = torch.full((4, 80), -9.0)
    logits[0, 15], logits[1, 16], logits[1, 17], logits[2, 0] = 1.0, 0.5, 2.0, 5.0
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.4]] * 4) + torch.arange(4)[:, None] * 0.01
    found = rtdetr.decode_boxes(logits, boxes, (100, 200), range(14, 24), min_confidence=0.5)
    sides = (boxes[[1, 0], 2:] * torch.tensor([200, 100])).numpy()
    assert found[:, 2:] - found[:, :2] == pytest.approx(sides, abs=1e-3)
    assert len(rtdetr.decode_boxes(logits, boxes, (100, 200), min_confidence=0.5)) == 1


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_boxes_stay_finite_whatever_size_the_network_says() -> None:
    output = np.zeros((8400, 85), np.float32)
    output[:40, 2:4], output[:40, 4:6] = np.random.RandomState(0).uniform(-1e7, 1e7, (40, 2)), 1
    assert np.isfinite(yolo.decode_yolox(output, (1.0, 1.0), (0,)).corners).all()


def one_by_one(boxes: yolo.Boxes, kinds: Any, overlap: float) -> list[int]:
    """Places of the boxes that stay, surest first, each compared with those that stay before it."""
    kept: list[int] = []
    for i in np.argsort(-boxes.scores, kind="stable").tolist():
        shared = yolo._iou(boxes.corners[kept], boxes.corners[[i]])[:, 0]
        if not any(part > overlap and kinds[j] == kinds[i] for j, part in zip(kept, shared, strict=True)):
            kept.append(i)
    return kept


@pytest.mark.parametrize("together", [1, 7, 100, 1000])
def test_suppression_in_blocks_is_suppression_one_by_one(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "NMS_CHUNK", together)
    random = np.random.RandomState(together)
    least = random.uniform(0, 100, (400, 2))
    boxes = yolo.Boxes(
        np.concatenate([least, least + random.uniform(5, 60, (400, 2))], 1).astype(np.float32),
        random.permutation(400).astype(np.float32),
    )
    kinds = random.randint(0, 2, 400)
    found, kept = yolo.non_maximum_suppression(boxes, kinds), one_by_one(boxes, kinds, yolo.IOU_THRESHOLD)
    assert 20 < len(kept) < 380
    assert np.array_equal(found.corners, boxes.corners[kept])
    assert np.array_equal(found.scores, boxes.scores[kept])


def test_a_crowd_of_many_boxes_each_loses_nobody() -> None:
    people, cells = 300, 20
    least = np.repeat(np.arange(people, dtype=np.float32) * 100, cells)[:, None]
    corners = np.concatenate([least, least, least + 50, least + 50], 1)
    scores = np.random.RandomState(0).permutation(people * cells).astype(np.float32)
    assert (
        len(yolo.non_maximum_suppression(yolo.Boxes(corners, scores), np.zeros(len(scores), np.intp)).scores) == people
    )
