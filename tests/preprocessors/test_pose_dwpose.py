"""DWPose: the detector, the crops, the decoding and the whole against A1111's code on the same answers of networks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden.poses import inputs
from tests.support.random_weights import session, stand_in

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import onnx
from underdrawing.core.networks.onnx import OnnxNetwork
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.model import list_parts
from underdrawing.preprocessors import load_annotator, registry
from underdrawing.preprocessors.people import coco_keypoints, rtmpose, yolo
from underdrawing.preprocessors.pose_dwpose import PoseDwpose
from underdrawing.preprocessors.weights.rtmpose_files import WHOLE_BODY
from underdrawing.preprocessors.weights.yolo_files import DETECTORS, YOLOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from underdrawing.core.annotator import ControlMap
    from underdrawing.core.poses.model import Person, Pose
    from underdrawing.core.weights.record import Weight

SIZE = (288, 384)
SCALE = (1.25, 1.25)
ANIMALS = range(14, 24)
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "poses" / "poses.npz"


@cache
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


class Answers:
    """Session that gives answers and keeps what it was given."""

    def __init__(self, *answers: NDArray[np.float32]) -> None:
        self.answers, self.given, self.done = answers, list[Any](), 0
        self.entry = type("Entry", (), {"name": "x", "type": "tensor(float)", "shape": ["batch", 3, None, None]})

    def get_inputs(self) -> list[Any]:
        return [self.entry]

    def run(self, outputs: Any, feed: dict[str, Any]) -> list[Any]:
        self.given.append(feed["x"])
        start = self.done % len(self.answers[0])
        self.done = start + len(feed["x"])
        return [answer[start : self.done] for answer in self.answers]


@pytest.fixture(autouse=True, scope="module")
def _random_weights() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Networks whose weights are not on this machine run on random ones."""
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        yield


Sessions = dict[str, Answers]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    """Networks that answer with the golden inputs."""
    count = len(golden()["person"])
    made = {"yolox_l": Answers(inputs.detections()), "dw-ll": Answers(*inputs.curves(count, 133, SIZE))}

    def opened(weight: Weight, placement: Placement) -> OnnxNetwork:
        return OnnxNetwork(next(one for name, one in made.items() if weight.file.startswith(name)), weight.id)

    monkeypatch.setattr(onnx, "open_network", opened)
    onnx.unload()
    yield made
    onnx.unload()


def run(*pictures: NDArray[np.uint8], size: Size | None = None, **params: Any) -> ControlMap:
    chosen, batch = PoseDwpose.params(**params), np.stack(pictures)
    return PoseDwpose(Placement(), chosen).run(Request(batch, chosen, size or Size(*batch.shape[1:3])))


def first(result: ControlMap) -> Pose:
    assert result.poses is not None
    return result.poses[0]


def rows(person: Person) -> NDArray[np.float64]:
    """Golden form of a person: [18 + 70 + 21 + 21, 3]."""
    parts = zip(list_parts(person), (18, 70, 21, 21), strict=True)
    every = [point for part, count in parts for point in part or (None,) * count]
    return np.array([(np.nan,) * 3 if point is None else point for point in every])


# Against A1111.


def test_boxes_of_people_are_a1111_s() -> None:
    found = yolo.decode_yolox(inputs.detections()[0], SCALE, (0,))
    assert len(found.corners) == 45
    assert np.array_equal(found.corners, golden()["person"].astype(np.float32))
    assert (np.diff(found.scores) <= 0).all()


def test_boxes_of_animals_are_a1111_s_where_that_is_asked_for() -> None:
    found = yolo.decode_yolox(inputs.detections()[0], SCALE, ANIMALS, per_class=True).corners
    wanted = golden()["animal"].astype(np.float32)
    assert np.array_equal(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)])
    once = yolo.decode_yolox(inputs.detections()[0], SCALE, ANIMALS).corners
    assert len(once) < len(found)


def test_crops_are_a1111_s() -> None:
    """Within a tenth of a level of 255, because the golden ones are kept as float16."""
    cut = rtmpose.crop_images(inputs.photo(), rtmpose.crop_regions(inputs.BOXES, SIZE), SIZE)[:, :, ::6, ::6]
    assert np.abs(cut - golden()["crops"].astype(np.float32)).max() * 57 <= 0.1


def test_points_are_a1111_s() -> None:
    areas = rtmpose.crop_regions(inputs.BOXES, SIZE)
    found = rtmpose.to_image(rtmpose.decode_simcc(*inputs.curves(3, 133, SIZE)), areas, SIZE)
    wanted = golden()["points"]
    seen = wanted[..., 2] > 0
    assert 0 < seen.mean() < 1
    assert np.array_equal(found[..., 2], wanted[..., 2].astype(np.float32))
    assert np.abs(found - wanted)[seen].max() <= 1e-4


def test_people_are_a1111_s(sessions: Sessions) -> None:
    """The picture's sides are kept whole by the letterbox, so that both scales agree. Confidences of necks differ:
    1 there, that of the less sure shoulder here."""
    pose = first(run(inputs.photo()))
    found, wanted = np.array([rows(person) for person in pose.people]), golden()["whole"].copy()
    assert len(found) == 45
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    assert 0.05 < np.isnan(wanted).mean() < 0.95
    assert np.nanmax(np.abs(found - wanted)[..., :2]) <= 1e-3
    necks = (slice(None), 1, 2)
    wanted[necks] = found[necks]
    assert np.nanmax(np.abs(found - np.minimum(wanted, 1))[..., 2]) <= 1e-6


def test_the_detector_sees_bgr_and_the_pose_network_rgb(sessions: Sessions) -> None:
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[...] = 200, 100, 50
    run(picture)
    assert sessions["yolox_l"].given[0][0, :, 10, 10].tolist() == [50, 100, 200]
    middle = sessions["dw-ll"].given[0][0, :, 192, 144]
    assert middle == pytest.approx((np.array([200, 100, 50]) - rtmpose.MEAN) / rtmpose.STD)
    run(picture, reference_compat=True)
    assert sessions["yolox_l"].given[1][0, :, 10, 10].tolist() == [200, 100, 50]


def test_people_of_a_picture_go_through_together(sessions: Sessions) -> None:
    run(inputs.photo())
    assert [len(batch) for batch in sessions["dw-ll"].given] == [32, 13]


# The detector.


@pytest.mark.parametrize("size", [(480, 640), (1000, 10), (1, 1), (3, 2000), (641, 640)], ids=str)
def test_a_letterbox_knows_its_scale(size: tuple[int, int]) -> None:
    seen = yolo.letterbox(np.full((*size, 3), 255, np.uint8))
    across, down = seen.scale
    assert seen.pixels.shape == (1, 3, 640, 640)
    white = (seen.pixels[0, 0] == 255).sum((0, 1))
    assert white == round(size[0] * down) * round(size[1] * across)
    assert max(size[0] * down, size[1] * across) == pytest.approx(640)
    assert set(np.unique(seen.pixels).tolist()) <= {114, 255}


def test_a_box_is_where_its_cell_says() -> None:
    output = np.zeros((8400, 85), np.float32)
    row = 6400 + 10 * 40 + 7  # stride 16, row 10, column 7
    output[row, :6] = 0.5, 0.25, np.log(4), np.log(6), 0.8, 0.9
    found = yolo.decode_yolox(output, (0.5, 2.0), (0,))
    centre, sides = np.array([7.5 * 16, 10.25 * 16]), np.array([64, 96])
    scale = np.array([0.5, 2.0])
    assert found.corners[0] == pytest.approx([*((centre - sides / 2) / scale), *((centre + sides / 2) / scale)])
    assert found.scores.tolist() == pytest.approx([0.72])
    assert len(yolo.decode_yolox(output, SCALE, (0,), min_confidence=0.75).corners) == 0


def greedy(corners: NDArray[np.float32], scores: NDArray[np.float32], kinds: NDArray[Any]) -> list[int]:
    """Plain suppression, box by box."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(kinds[i] != kinds[j] or shared(corners[i], corners[j]) <= yolo.IOU_THRESHOLD for j in kept):
            kept.append(int(i))
    return kept


def shared(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:]) + 1
    common = float(np.prod((high - low).clip(0)))
    areas = [float(np.prod(box[2:] - box[:2] + 1)) for box in (one, other)]
    return common / (sum(areas) - common)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 2**31))
def test_suppression_of_all_pairs_is_the_greedy_one(count: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    least = random.uniform(0, 60, (count, 2))
    corners = np.concatenate([least, least + random.uniform(5, 60, (count, 2))], 1).astype(np.float32)
    scores, kinds = random.uniform(0, 1, count).astype(np.float32), random.randint(0, 3, count)
    found = yolo.non_maximum_suppression(yolo.Boxes(corners, scores), kinds)
    assert np.array_equal(found.corners, corners[greedy(corners, scores, kinds)])


def test_yolo_nas_is_read() -> None:
    network = session(DETECTORS["yolo_nas_l"])
    outputs = network(yolo.letterbox(inputs.photo()).pixels)
    assert yolo.decode_yolo_nas(outputs, SCALE, (0,)).corners == pytest.approx(np.array([[80, 64, 320, 400]]))
    assert yolo.decode_yolo_nas(outputs, SCALE, (16,)).scores == pytest.approx([0.6])
    assert len(yolo.decode_yolo_nas(outputs, SCALE, (5,)).corners) == 0


# From COCO to OpenPose.


def test_slots_of_the_body_are_openpose_s() -> None:
    points = np.zeros((1, 133, 3), np.float32)
    points[0, :, 0], points[0, :, 2] = np.arange(133), 0.9
    points[0, 5, 2] = 0.5
    (person,) = coco_keypoints.people_from_keypoints(points, 0.3)
    numbers = [point.x for point in person.body if point]
    assert numbers == [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    assert person.body[1] is not None
    assert person.body[1].confidence == pytest.approx(0.5)
    assert [p.x for p in person.face or () if p] == [*range(23, 91), 2, 1]
    assert [p.x for p in person.left_hand or () if p] == list(range(91, 112))
    assert [p.x for p in person.right_hand or () if p] == list(range(112, 133))


def test_what_is_not_sure_is_a_gap_and_nobody_is_left_out() -> None:
    points = np.zeros((2, 133, 3), np.float32)
    points[..., 2] = 0.29
    points[0, 5, 2] = 0.31
    (person,) = coco_keypoints.people_from_keypoints(points, 0.3)
    assert [i for i, point in enumerate(person.body) if point] == [5]
    assert (person.face, person.left_hand, person.right_hand) == (None, None, None)
    assert coco_keypoints.people_from_keypoints(points[1:], 0.3) == ()
    assert coco_keypoints.people_from_keypoints(points[:1], 0.3, body=False) == ()
    assert coco_keypoints.people_from_keypoints(points[:, :17], 0.3) == (person,)


# The annotator.


def live(**params: Any) -> ControlMap:
    return run(inputs.photo(), **params)


def test_the_map_is_the_drawing_of_the_poses() -> None:
    result = live(sticks="xinsir")
    assert result.poses is not None
    assert len(result.poses[0].people) == 2
    assert result.notes == ()
    assert np.array_equal(draw_pose(result.poses[0], sticks="xinsir"), result.images[0])


def test_nobody_is_black_and_told() -> None:
    result = live(min_confidence=1.0)
    assert not result.images.any()
    assert result.notes == ("nobody was found in picture 1: the map is black",)
    whole = live(min_confidence=1.0, whole_picture=True)
    assert whole.poses is not None
    assert len(whole.poses[0].people) == 1
    assert np.array_equal(whole.images, live(detector="none").images)


def test_parts_are_left_out_of_map_and_poses() -> None:
    (person,) = first(live(hands=False, face=False, max_people=1)).people
    assert any(person.body)
    assert (person.face, person.left_hand, person.right_hand) == (None, None, None)
    (hands,) = first(live(body=False, face=False, max_people=1)).people
    assert not any(hands.body)
    assert hands.left_hand is not None


def test_poses_are_drawn_at_the_map_s_size() -> None:
    small, whole = run(inputs.photo(), size=Size(256, 128)), run(inputs.photo())
    one, other = (first(result).people[0].body[0] for result in (small, whole))
    assert one is not None
    assert other is not None
    assert (one.x * 4, one.y * 2) == pytest.approx((other.x, other.y))


@pytest.mark.parametrize("name", ["dw_openpose_full", "DWPreprocessor", "dwpose", "DWposeDetector"])
def test_names_of_existing_workflows(name: str) -> None:
    found = registry.resolve(name)
    params = PoseDwpose.params(**found.presets)
    assert found.annotator is PoseDwpose
    assert PoseDwpose.weights_for(params) == (YOLOX, WHOLE_BODY["dw-ll_ucoco_384"])
    assert params.whole_picture == (name in ("dwpose", "DWposeDetector"))


def test_torchscript_of_old_workflows_stands_for_the_onnx_file_of_the_same_network() -> None:
    (alias,) = (alias for alias in PoseDwpose.spec.aliases if alias.host == "comfyui")
    widgets = {widget.name: widget for widget in alias.widgets}
    assert widgets["pose_estimator"].values(widgets["pose_estimator"].default) == {"estimator": "dw-ll_ucoco_384"}
    assert widgets["bbox_detector"].values("yolox_l.torchscript.pt") == {"detector": "yolox_l"}
    assert widgets["bbox_detector"].values("None") == {"detector": "none"}
    assert widgets["scale_stick_for_xinsr_cn"].values("enable") == {"sticks": "comfyui"}


def test_without_a_detector_only_one_file_is_needed() -> None:
    assert PoseDwpose.weights_for(PoseDwpose.params(detector="none")) == (WHOLE_BODY["dw-ll_ucoco_384"],)
    made = load_annotator("pose_dwpose", device="cpu", detector="none", estimator="dw-ll_ucoco")
    assert len(first(made(inputs.photo())).people) == 1
