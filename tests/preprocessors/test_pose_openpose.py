"""OpenPose against controlnet-aux: its networks on the same weights, its people on the same maps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import light_openpose, pose_maps, random_weights
from tests.support.similarity import ssim

from underdrawing.core.errors import BadWeights
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.nets.openpose import body, faces, hands, network, peaks, people
from underdrawing.preprocessors.nets.openpose.crops import Box, crop_box, face_box, hand_box
from underdrawing.preprocessors.nets.openpose.resampling import build_axes, plan_input
from underdrawing.preprocessors.pose_openpose import PoseOpenpose
from underdrawing.preprocessors.weights import openpose_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import nn

    from underdrawing.core.poses.model import Keypoints
    from underdrawing.preprocessors.nets.openpose.body import Joint, Joints
    from underdrawing.preprocessors.nets.openpose.keypoints import CropKeypoints
    from underdrawing.preprocessors.nets.openpose.resampling import InputPlan

    F32 = NDArray[np.float32]
    Table = dict[str, torch.Tensor]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "openpose" / "openpose.npz"
BUILDS = {"body": network.build_body, "hand": network.build_hand, "face": network.build_face}
LOST = (4, 11)
"""Joints that the golden maps of hands and faces do not show."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def empty(name: str) -> nn.Module:
    with torch.device("meta"):
        return BUILDS[name]({}).eval()


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in empty(name).state_dict().items()}


# The networks.


@pytest.mark.parametrize(("name", "keys", "numbers"), [
    ("body", 184, 52_311_446), ("hand", 104, 36_832_324), ("face", 104, 38_425_706),
])  # fmt: skip
def test_network_equals_the_peers(golden: dict[str, NDArray[Any]], name: str, keys: int, numbers: int) -> None:
    tensors = random_weights.tensors(shapes(name))
    assert (len(tensors), sum(tensor.numel() for tensor in tensors.values())) == (keys, numbers)
    net = empty(name)
    net.load_state_dict(tensors, strict=True, assign=True)
    with torch.inference_mode():
        maps = net(torch.from_numpy(golden["picture"]).permute(2, 0, 1)[None].float())[0].numpy()
    assert np.ptp(golden[name]) > 0.5
    assert np.abs(maps - golden[name]).max() <= 1e-5


def test_the_heat_of_the_body_is_never_negative(golden: dict[str, NDArray[Any]]) -> None:
    """The ReLU behind the last layer, which the published port has by mistake."""
    assert golden["body"][:19].min() == 0
    assert golden["body"][19:].min() < 0


@pytest.mark.parametrize(("name", "some"), [
    ("body", ("conv1_1.weight", "conv4_3_CPM.bias", "conv5_5_CPM_L1.weight", "Mconv7_stage6_L2.bias")),
    ("hand", ("conv5_3_CPM.weight", "conv6_2_CPM.bias", "Mconv1_stage2.weight")),
    ("face", ("conv1_1.weight", "Mconv7_stage6.bias")),
])  # fmt: skip
def test_the_keys_are_the_published_ones(name: str, some: tuple[str, ...]) -> None:
    assert set(some) <= set(shapes(name))


def recorded(tmp_path: Path, patch: pytest.MonkeyPatch, tensors: Table) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    patch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    patch.setattr(cache, "get_store", store.get_store)
    folder = tmp_path / "mine"
    folder.mkdir()
    patch.setenv("UNDERDRAWING_WEIGHTS", str(folder))
    path = folder / "hand_pose_model.pth"
    torch.save(tensors, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=False)


def test_the_official_file_loads_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {key: value.half() for key, value in random_weights.tensors(shapes("hand")).items()}
    loaded = cache.load_network(recorded(tmp_path, monkeypatch, tensors), network.build_hand, Placement()).module
    assert all(torch.equal(loaded.state_dict()[key], value.float()) for key, value in tensors.items())
    cache.unload()


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    tensors = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes("hand").items()}
    if fault == "missing":
        del tensors["Mconv7_stage6.bias"]
    elif fault == "unexpected":
        tensors["Mconv8_stage6.bias"] = torch.zeros(1)
    else:
        tensors["conv6_2_CPM.bias"] = torch.zeros(71)  # a face's
    with pytest.raises(BadWeights, match=fault):
        cache.load_network(recorded(tmp_path, monkeypatch, tensors), network.build_hand, Placement())


# Bodies.


def rows(found: list[Joints]) -> list[list[tuple[float, ...]]]:
    """Joints by person, people in an order of their own."""
    return sorted([(-1.0, -1.0, 0.0) if joint is None else tuple(joint) for joint in person] for person in found)


def golden_rows(arrays: NDArray[Any]) -> list[list[tuple[float, ...]]]:
    return sorted([(-1.0, -1.0, 0.0) if np.isnan(k[0]) else tuple(k.tolist()) for k in person] for person in arrays)


def same_people(found: list[Joints], expected: NDArray[Any]) -> None:
    ours, theirs = rows(found), golden_rows(expected)
    assert [[joint[:2] for joint in person] for person in ours] == [[j[:2] for j in person] for person in theirs]
    assert np.abs(np.array(ours) - np.array(theirs)).max(initial=0) <= 1e-6


def decoded(maps: F32, height: int) -> list[Joints]:
    return body.decode_bodies(maps, plan_input(Size(height, height * maps.shape[2] // maps.shape[1])))


def test_people_are_the_peers_to_the_pixel(golden: dict[str, NDArray[Any]]) -> None:
    cases = [key for key in golden if key.startswith("people")]
    assert len(cases) == 15
    for key in cases:
        count, height, seed = (int(part) for part in key.split("_")[1:])
        maps = pose_maps.body_maps(pose_maps.crowd(count, seed), pose_maps.CELLS[count], seed)
        assert len(golden[key]) == count
        same_people(decoded(maps, height), golden[key])


@pytest.mark.parametrize("height", [184, 368, 512, 1024])
def test_ties_are_settled_as_the_peers_do(
    golden: dict[str, NDArray[Any]], height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[F32] = []
    official = peaks.resize_as_reference

    def watched(heat: F32, plan: InputPlan) -> F32:
        asked.append(heat)
        return official(heat, plan)

    monkeypatch.setattr(peaks, "resize_as_reference", watched)
    same_people(decoded(pose_maps.tied_maps(), height), golden[f"tied_{height}"])
    assert asked


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(20, 400), st.integers(20, 600))
def test_peaks_are_those_of_the_definition(seed: int, height: int, width: int) -> None:
    """Against whole maps, resized and blurred by OpenCV."""
    import cv2

    plan = plan_input(Size(height, width))
    heat = np.random.RandomState(seed).standard_normal((18, *(side // 8 for side in plan.padded))).astype(np.float32)
    for joint, found in enumerate(peaks.find_peaks(heat * 0.3, plan, build_axes(plan))[:2]):
        whole = peaks.resize_as_reference(heat[joint] * 0.3, plan).astype(np.float64)
        soft = cv2.GaussianBlur(whole, (25, 25), 3, borderType=cv2.BORDER_REFLECT)
        padded = np.pad(soft, 1)
        around = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
        lead = np.min([soft - one for one in [*around, np.full_like(soft, 0.1)]], axis=0)
        seen = np.zeros(lead.shape, bool)
        seen[found.y, found.x] = True
        assert not (seen & (lead < -1e-9)).any()
        assert len(found.x) == peaks.MAX_PEAKS or not (~seen & (lead > 1e-9)).any()
        assert np.abs(found.score - whole[found.y, found.x]).max(initial=0) <= 1e-5


@pytest.mark.parametrize("count", [1, 4])
def test_mirrored_maps_give_mirrored_people(count: int) -> None:
    maps = pose_maps.body_maps(pose_maps.crowd(count, 3), (23, 23), 3)
    mirrored = maps[:, :, ::-1].copy()
    mirrored[19::2] *= -1
    straight = [[None if j is None else (511 - j.x, j.y) for j in person] for person in decoded(maps, 512)]
    turned = [[None if j is None else (j.x, j.y) for j in person] for person in decoded(mirrored, 512)]
    assert len(straight) == count
    assert sorted(map(str, straight)) == sorted(map(str, turned))


@pytest.mark.parametrize("height", [300, 512, 1024])
def test_joints_lie_where_they_were_put(height: int) -> None:
    someone = pose_maps.crowd(1, 6)
    (found,) = decoded(pose_maps.body_maps(someone, (23, 23), noise=0), height)
    cell = height / 23
    for joint, (x, y) in zip(found, someone[0], strict=True):
        assert joint is not None
        assert abs((joint.x + 0.5) - (x + 0.5) * cell) <= 0.5 + 0.1 * cell
        assert abs((joint.y + 0.5) - (y + 0.5) * cell) <= 0.5 + 0.1 * cell


def test_a_hidden_joint_is_a_gap() -> None:
    someone = pose_maps.crowd(1)
    someone[0, [4, 16]] = np.nan
    (found,) = decoded(pose_maps.body_maps(someone, (23, 23)), 512)
    assert [at for at, joint in enumerate(found) if joint is None] == [4, 16]


def test_few_joints_are_nobody() -> None:
    someone = pose_maps.crowd(1)
    someone[0, 3:] = np.nan
    assert decoded(pose_maps.body_maps(someone, (23, 23)), 512) == []


@pytest.mark.parametrize(("size", "shown", "padded"), [
    ((512, 512), (184, 184), (184, 184)),
    ((768, 513), (184, 122), (184, 128)),
    ((1, 1), (184, 184), (184, 184)),
    ((200, 1), (184, 1), (184, 8)),
    ((100, 4000), (36, 1472), (40, 1472)),
])  # fmt: skip
def test_what_the_network_sees(size: tuple[int, int], shown: tuple[int, int], padded: tuple[int, int]) -> None:
    plan = plan_input(Size(*size))
    assert (plan.content, plan.padded) == (shown, padded)
    seen = body.prepare_input(np.full((*size, 3), (10, 20, 30), np.uint8), plan)
    assert seen.shape == (*padded, 3)
    assert (seen[: shown[0], : shown[1]] == (30, 20, 10)).all()
    assert (seen[shown[0] :] == 128).all()
    assert (seen[:, shown[1] :] == 128).all()


@pytest.mark.parametrize("seed", range(3))
def test_bfloat16_moves_no_joint_by_more_than_a_pixel(seed: int) -> None:
    """Of a map 512 high. The body network's error in bfloat16 has a deviation of 0.21 % of the largest value, with
    random weights on a photograph."""
    maps = pose_maps.body_maps(pose_maps.crowd(4, seed), (23, 23), seed)
    error = 0.0021 * np.random.RandomState(seed).standard_normal(maps.shape)
    short = torch.from_numpy((maps + error).astype(np.float32)).bfloat16().float().numpy()
    full, other = np.array(rows(decoded(maps, 512))), np.array(rows(decoded(short, 512)))
    assert full.shape == other.shape
    assert 0 < np.abs(full - other)[..., :2].max() <= 1
    assert ssim(drawing(decoded(maps, 512)), drawing(decoded(short, 512))) >= 0.98


def drawing(found: list[Joints]) -> NDArray[np.uint8]:
    some = tuple(people.Person(people._body(joints)) for joints in found)
    return draw_pose(people.Pose(some, 512, 512)).max(-1)


# Hands and faces.


def spread(spots: CropKeypoints) -> list[tuple[int, int] | None]:
    return [None if spot is None else (spot.x, spot.y) for spot in spots]


def cases(golden: dict[str, NDArray[Any]], part: str) -> list[tuple[int, int, int]]:
    keys = [key.split("_")[1:] for key in golden if key.startswith(f"{part}_")]
    assert len(keys) == 6
    return [(int(height), int(width), int(seed)) for height, width, seed in keys]


def stub(monkeypatch: pytest.MonkeyPatch, where: Any, count: int, seed: int) -> list[int]:
    """Let a part's network answer with made-up maps; how many pictures it saw at each call is noted."""
    calls: list[int] = []

    def answer(x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        maps = pose_maps.part_maps(count, x.shape[-1] // 8, seed, LOST)
        return torch.from_numpy(maps)[None].repeat(len(x), 1, 1, 1)

    def network(weight: Weight, build: object, placement: Placement) -> Any:
        return answer

    monkeypatch.setattr(where, "load_network", network)
    return calls


def test_hands_are_the_peers_to_the_pixel(golden: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    for height, width, seed in cases(golden, "hand"):
        calls = stub(monkeypatch, hands, 22, seed)
        crop = np.zeros((height, width, 3), np.uint8)
        found = hands.find_hands([crop, crop], Placement())
        expected = golden[f"hand_{height}_{width}_{seed}"].tolist()
        for one in found:
            assert spread(one) == [None if at in LOST else tuple(place) for at, place in enumerate(expected)]
            assert all(0.05 < spot.heat <= 1.3 for spot in one if spot is not None)
        assert sum(calls) == 8  # two hands at four sizes


def test_faces_are_the_peers_in_70_slots(golden: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    for height, width, seed in cases(golden, "face"):
        stub(monkeypatch, faces, 71, seed)
        (found,) = faces.find_faces([np.zeros((height, width, 3), np.uint8)], Placement())
        assert len(found) == 70
        assert [at for at, spot in enumerate(found) if spot is None] == list(LOST)
        expected = golden[f"face_{height}_{width}_{seed}"].tolist()[:-1]  # the last one is the background
        assert [list(place) for place in spread(found) if place is not None] == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 120), st.integers(1, 120), st.sampled_from([0, 4]))
def test_landmarks_are_the_largest_pixels_of_whole_maps(seed: int, height: int, width: int, levels: int) -> None:
    """Also of maps of few levels, where many pixels are equal."""
    maps = np.random.RandomState(seed).random_sample((71, 48, 48)).astype(np.float32) ** 2
    if levels:
        maps = np.round(maps * levels) / levels
    large = torch.nn.functional.interpolate(
        torch.from_numpy(maps[None]), (height, width), mode="bilinear", align_corners=True
    )
    heat, place = (find(large[0, :70].flatten(1).numpy(), 1) for find in (np.max, np.argmax))
    expected = [(at % width, at // width) if top > 0.05 else None for top, at in zip(heat, place.tolist(), strict=True)]
    assert spread(faces.decode_landmarks(torch.from_numpy(maps), height, width)) == expected


def test_a_joint_on_the_edge_of_its_crop_is_kept() -> None:
    maps = np.zeros((2, 128, 128), np.float32)
    maps[0, 5, 0] = 0.9
    above = maps > 0.05
    assert hands.find_strongest(maps, above) == [(0, 5, pytest.approx(0.9)), None]


def test_the_heavier_part_wins_over_the_higher_one() -> None:
    maps = np.zeros((3, 9, 9))
    maps[:, 1, 1] = 0.9
    maps[1, 5:8, 5:8] = 0.2
    maps[1, 6, 7] = 0.3
    maps[2, 2, 2] = 0.95  # joined by its corner
    assert spread(hands.find_strongest(maps, maps > 0)) == [(1, 1), (7, 6), (2, 2)]


def test_nothing_to_look_for_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "load_network", None)
    monkeypatch.setattr(faces, "load_network", None)
    assert hands.find_hands([], Placement()) == []
    assert faces.find_faces([], Placement()) == []


def joints(**places: tuple[int, int]) -> Joints:
    names = {"nose": 0, "shoulder": 5, "elbow": 6, "wrist": 7, "eye": 14, "ear": 17}
    made: list[Joint | None] = [None] * 18
    for name, (x, y) in places.items():
        made[names[name]] = body.Joint(x, y, 0.9)
    return tuple(made)


def test_hand_box() -> None:
    arm = {"shoulder": (100, 100), "elbow": (160, 100), "wrist": (210, 100)}
    # the upper arm counts 0.9 * 60 = 54, more than the lower one; 16.5 pixels beyond the wrist
    assert hand_box(joints(**arm), (5, 6, 7), Size(400, 400)) == Box(186, 59, 81)
    assert hand_box(joints(**arm), (5, 6, 7), Size(400, 220)) == Box(186, 59, 34)  # cut on the right: smaller
    assert hand_box(joints(**arm), (5, 6, 7), Size(400, 205)) is None  # 19 pixels are too few
    assert hand_box(joints(**arm), (2, 3, 4), Size(400, 400)) is None
    del arm["elbow"]
    assert hand_box(joints(**arm), (5, 6, 7), Size(400, 400)) is None


def test_face_box() -> None:
    assert face_box(joints(nose=(100, 80), eye=(110, 74)), Size(400, 400)) == Box(70, 50, 60)
    assert face_box(joints(nose=(100, 80), eye=(110, 74), ear=(130, 74)), Size(400, 400)) == Box(55, 35, 90)
    assert face_box(joints(nose=(10, 80), eye=(20, 74)), Size(400, 400)) == Box(0, 50, 60)
    assert face_box(joints(nose=(100, 80)), Size(400, 400)) is None
    assert face_box(joints(eye=(100, 80)), Size(400, 400)) is None
    # the official rule looks at half the box when it cuts it: here it reaches over the border
    assert face_box(joints(nose=(100, 80), eye=(110, 74)), Size(400, 110)) == Box(70, 50, 60)


def test_crops_come_from_the_picture_at_its_own_size() -> None:
    picture = np.arange(200 * 300 * 3, dtype=np.uint32).reshape(200, 300, 3).astype(np.uint8)
    crop = crop_box(picture, Box(10, 20, 30), Size(100, 150))
    assert np.array_equal(crop.pixels, picture[40:100, 20:80, ::-1])
    assert crop.on_map(0, 0) == (10, 20)
    assert crop.on_map(30, 59) == (25, 49.5)


# All together.


def annotator(**params: Any) -> PoseOpenpose:
    made = PoseOpenpose(Placement(), PoseOpenpose.params(**params))
    made.load = lambda params: None  # type: ignore[method-assign]
    return made


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks that see the four people of the golden data in every picture."""
    with random_weights.stand_in(monkeypatch):
        monkeypatch.setitem(light_openpose.BUILDERS, network.build_body, lambda metadata: light_openpose.Somebody(4))
        stub(monkeypatch, hands, 22, 0)
        stub(monkeypatch, faces, 71, 0)
        yield


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.RandomState(1).randint(0, 256, (1, height, width, 3)).astype(np.uint8)


def places(slots: Keypoints | None) -> list[tuple[float, float] | None]:
    assert slots is not None
    return [None if point is None else (point.x, point.y) for point in slots]


@pytest.mark.usefixtures("four")
def test_a_picture_gives_the_peers_map(golden: dict[str, NDArray[Any]]) -> None:
    image = annotator(hands=False)(picture(512, 512), resolution=512).images[0]
    different = (image != golden["whole_map"]).any(-1)
    assert different.any()  # the peer also draws the background of each face as a landmark
    for x, y in (golden["whole_face"][:, -1] * 512).astype(int).tolist():
        different[y - 3 : y + 4, x - 3 : x + 4] = False
    assert not different.any()


@pytest.mark.usefixtures("four")
def test_everybody_has_the_peers_hands_and_face(golden: dict[str, NDArray[Any]]) -> None:
    poses = annotator()(picture(512, 512), resolution=0).poses
    assert poses is not None
    assert len(poses[0].people) == len(golden["whole_body"]) == 4
    for at, person in enumerate(poses[0].people):
        assert np.allclose(np.array(places(person.body)), golden["whole_body"][at] * 512)
        for name, found in (("left_hand", person.left_hand), ("right_hand", person.right_hand)):
            expected = (golden[f"whole_{name}"][at] * 512).tolist()
            assert places(found) == [None if i in LOST else tuple(place) for i, place in enumerate(expected)]
        landmarks = [place for place in places(person.face) if place is not None]
        assert landmarks == [tuple(place) for place in (golden["whole_face"][at][:-1] * 512).tolist()]


@pytest.mark.usefixtures("four")
def test_confidences_are_real() -> None:
    poses = annotator()(picture(300, 300), resolution=0).poses
    assert poses is not None
    for person in poses[0].people:
        for slots in (person.body, person.face, person.left_hand):
            assert slots is not None
            confidences = {point.confidence for point in slots if point is not None}
            assert all(0 < one <= 1 for one in confidences)
            assert len(confidences) > 10


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("crops", ["picture", "map"])
def test_hands_lie_at_the_wrists_whatever_is_cut(crops: str) -> None:
    poses = annotator(crops=crops)(picture(900, 900), resolution=450).poses
    assert poses is not None
    for person in poses[0].people:
        wrist = person.body[7]
        assert wrist is not None
        far = [np.hypot(x - wrist.x, y - wrist.y) for x, y in filter(None, places(person.left_hand))]
        assert 0 < min(far) < max(far) < 60
    fractions = {place[0] % 1 for place in places(poses[0].people[0].left_hand) if place is not None}
    assert (fractions == {0.0}) == (crops == "map")


@pytest.mark.usefixtures("four")
def test_what_is_not_wanted_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "load_network", None)
    monkeypatch.setattr(faces, "load_network", None)
    result = annotator(hands=False, face=False)(picture(200, 300), resolution=0)
    assert result.poses is not None
    assert all(p.face is p.left_hand is p.right_hand is None for p in result.poses[0].people)


@pytest.mark.usefixtures("four")
def test_nobody_is_a_black_map_and_a_note() -> None:
    pictures = np.concatenate([picture(64, 80), np.full((1, 64, 80, 3), 90, np.uint8)])
    result = annotator()(pictures, resolution=0)
    assert result.images[0].any()
    assert not result.images[1].any()
    assert result.notes == ("nobody was found in picture 2: the map is black",)


@pytest.mark.parametrize(("name", "drawn"), [
    ("openpose", "body"), ("openpose_hand", "body hands"), ("openpose_face", "body face"),
    ("openpose_faceonly", "face"), ("openpose_full", "body hands face"),
    ("OpenposePreprocessor", "body hands face"), ("OpenposeDetector", "body"),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, drawn: str) -> None:
    found = registry.resolve(name)
    params = PoseOpenpose.params(**found.presets)
    assert found.annotator is PoseOpenpose
    assert [part for part in ("body", "hands", "face") if getattr(params, part)] == drawn.split()
    needed = [("body", openpose_files.BODY), ("hands", openpose_files.HAND), ("face", openpose_files.FACE)]
    wanted = tuple(weight for part, weight in needed if part == "body" or part in drawn.split())
    assert PoseOpenpose.weights_for(params) == wanted


def test_the_nodes_inputs_are_that_packs() -> None:
    (node,) = (alias for alias in PoseOpenpose.spec.aliases if alias.host == "comfyui")
    assert [widget.name for widget in node.widgets] == [
        "detect_hand", "detect_body", "detect_face", "resolution", "scale_stick_for_xinsr_cn",
    ]  # fmt: skip
    assert node.widgets[0].values("disable") == {"hands": False}
    assert node.widgets[4].values("enable") == {"sticks": "comfyui"}


def test_nothing_of_it_is_for_commercial_use() -> None:
    assert not PoseOpenpose.spec.commercial
    assert not any(weight.commercial for weight in PoseOpenpose.spec.weights)
