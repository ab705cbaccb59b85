"""RTMPose and YOLOX on torch: what mmpose's and Megvii's code gives on the same weights, and the form of their files.

Golden data: open-mmlab/mmpose and Megvii-BaseDetection/YOLOX, their networks unchanged, see the folder's make.py.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch
from tests.golden.rtmpose_torch import weights
from torch import nn

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache as models
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors.nets import csp, rtmpose, yolox
from underdrawing.preprocessors.people import yolo
from underdrawing.preprocessors.weights.rtmpose_files import AP10K_TORCH, CROPS, WHOLE_BODY_TORCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Tensors = dict[str, Tensor]

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "rtmpose_torch" / "outputs.npz"
CLOSE = 3e-5
"""Largest difference to the golden data, as a share of their largest value; they were made with batch norms apart."""
STEP = {"whole_body": 13, "animal": 3}


class Case(NamedTuple):
    """build, convert: as the product loads it. narrow: the same module with fewer channels. keys, floats: what the
    published file holds, and how many bytes without the counters of batch norms."""

    build: Callable[[Any], nn.Module]
    convert: Callable[[Tensors], Tensors]
    narrow: Callable[[], nn.Module]
    keys: int
    floats: int


CASES = {
    "whole_body": Case(
        rtmpose.build_whole_body,
        rtmpose.convert,
        lambda: rtmpose.RtmPose(rtmpose.Variant(1, 0.125, 5, (64, 96))),
        470,
        134_599_836,
    ),
    "animal": Case(
        rtmpose.build_animal,
        rtmpose.convert,
        lambda: rtmpose.RtmPose(rtmpose.Variant(0.67, 0.25, 5, (64, 64))),
        362,
        54_590_828,
    ),
    "yolox": Case(yolox.build, yolox.convert, lambda: yolox.Yolox(8), 750, 217_112_572),
}
cases = pytest.mark.parametrize("name", CASES)


@cache
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def official(name: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the published file."""
    return {key: tuple(shape) for key, shape in json.loads(bytes(golden()[f"{name}_keys"])).items()}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def filled(name: str) -> nn.Module:
    """Whole network with the weights of the golden data, loaded strictly."""
    case = CASES[name]
    with torch.device("meta"):
        module = case.build({})
    module.load_state_dict(case.convert(weights.random(name, official(name))), strict=True, assign=True)
    return module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def apart(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# Against the authors' code.


@pytest.mark.parametrize("name", ["whole_body", "animal"])
def test_curves_are_mmpose_s(name: str) -> None:
    """Two crops: the golden one, and it mirrored, which must not change the first's answer."""
    width, height = {"whole_body": (288, 384), "animal": (256, 256)}[name]
    crop = torch.from_numpy(golden()["crop"])[None, :, :height, :width].float() / 50
    with torch.inference_mode():
        across, down = (curve.numpy() for curve in filled(name)(torch.cat([crop, crop.flip(3)])))
    assert across.shape == (2, len(golden()[f"{name}_tops"]), width * 2)
    assert down.shape == (2, len(golden()[f"{name}_tops"]), height * 2)
    for axis, curve in enumerate((across, down)):
        expected = golden()[f"{name}_{'xy'[axis]}"]
        assert apart(curve[0, :: STEP[name]], expected) <= CLOSE
        assert np.array_equal(curve[0].argmax(-1), golden()[f"{name}_tops"][:, axis])
        assert len(set(curve[0].argmax(-1).tolist())) >= 10
        assert apart(curve[1], curve[0]) > 0.1


def test_cells_are_yolox_s() -> None:
    with torch.inference_mode():
        found = filled("yolox")(torch.from_numpy(golden()["picture"])[None].float())[0].numpy()
    expected = golden()["yolox"]
    assert found.shape == expected.shape == (64 * 96 * 21 // 1024, 85)
    for part in (slice(2), slice(2, 4), slice(4, 5), slice(5, 85)):
        assert apart(found[:, part], expected[:, part]) <= CLOSE
        assert expected[:, part].std(0).mean() > 0.05
    assert 0 < expected[:, 4:].min() < expected[:, 4:].max() < 1, "after the sigmoid"
    assert expected[:, :4].min() < 0, "before exp"


def test_the_stem_sorts_pixels_as_yolox_does() -> None:
    """Columns first, then rows: 12 channels of half the size and a 3 x 3 convolution are one 6 x 6 convolution."""
    kernel, x = torch.randn(4, 12, 3, 3), torch.randn(1, 3, 10, 14)
    sorted_pixels = torch.cat([x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)], 1)
    expected = nn.functional.conv2d(sorted_pixels, kernel, padding=1)
    found = nn.functional.conv2d(x, yolox._unshuffle_stem(kernel), stride=2, padding=2)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_pyramid_of_small_maxima_is_one_of_large_ones() -> None:
    made = csp.SpatialPyramidPooling(8).eval()
    x = torch.randn(2, 8, 9, 17)
    with torch.inference_mode():
        h = made.conv1(x)
        wide = torch.cat([h, *(nn.functional.max_pool2d(h, side, 1, side // 2) for side in (5, 9, 13))], 1)
        assert torch.equal(made(x), made.conv2(wide))


# The files.


@cases
def test_the_published_file_has_these_keys(name: str) -> None:
    """395 of the 470 and 134,599,836 bytes are what dw-ll_ucoco_384.pth holds."""
    case, shapes = CASES[name], official(name)
    numbers = [int(np.prod(shape)) for key, shape in shapes.items() if not key.endswith("num_batches_tracked")]
    assert (len(shapes), 4 * sum(numbers)) == (case.keys, case.floats)
    with torch.device("meta"):
        ours = case.build({}).state_dict()
        folded = case.convert({key: torch.empty(shape) for key, shape in shapes.items()})
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in folded.items()}


def test_the_files_crops_are_the_networks() -> None:
    assert rtmpose.WHOLE_BODY.size == CROPS["dw-ll_ucoco_384"]
    assert AP10K_TORCH.file.endswith(".pth")
    assert yolo.INPUT_SIDE % 32 == 0


def published(name: str) -> Tensors:
    """Narrow file in the published form: every convolution before an activation has a batch norm and no bias."""
    table: Tensors = {}
    for key, value in CASES[name].narrow().state_dict().items():
        shape = tuple(value.shape)
        if key == yolox.STEM:
            shape = (shape[0], 12, 3, 3)
        if ".conv." not in key:
            table[key] = torch.randn(shape)
        elif key.endswith("weight"):
            table[key] = torch.randn(shape)
            norm = key.removesuffix("conv.weight") + "bn"
            for part in ("weight", "bias", "running_mean", "running_var"):
                table[f"{norm}.{part}"] = torch.rand(shape[0]) + 0.5
            table[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return table


def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    monkeypatch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    monkeypatch.setattr(models, "get_store", store.get_store)
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path))
    path = tmp_path / "net.pth"
    torch.save(content, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=True)


def loaded(name: str, weight: Weight) -> models.Network:
    case = CASES[name]
    return models.load_network(weight, lambda metadata: case.narrow(), Placement(), case.convert)


def wrapped(name: str, table: Tensors) -> dict[str, Any]:
    """As mmpose (meta beside state_dict) and Megvii (model) save it."""
    return {"start_epoch": 300, "model": table} if name == "yolox" else {"meta": {"epoch": 60}, "state_dict": table}


@cases
def test_a_published_file_loads_strictly_from_a_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    table = published(name)
    assert set(table) == set(official(name))
    network = loaded(name, saved(tmp_path, monkeypatch, wrapped(name, table)))
    held = network.module.state_dict()
    key = "backbone.backbone.dark2.0" if name == "yolox" else "backbone.stage1.0"
    scale = table[f"{key}.bn.weight"] / (table[f"{key}.bn.running_var"] + (1e-3 if name == "yolox" else 1e-5)).sqrt()
    expected = table[f"{key}.conv.weight"] * scale[:, None, None, None]
    assert torch.allclose(held[f"{key}.conv.weight"], expected, rtol=1e-5)
    bias = table[f"{key}.bn.bias"] - table[f"{key}.bn.running_mean"] * scale
    assert torch.allclose(held[f"{key}.conv.bias"], bias, atol=1e-6)
    models.unload()


@cases
@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    table = published(name)
    stem = "backbone.backbone.stem.conv" if name == "yolox" else "backbone.stem.0"
    if fault == "missing":
        del table[f"{stem}.bn.running_mean"]
    elif fault == "unexpected":
        table["neck.conv.weight"] = torch.zeros(1)
    else:
        table[f"{stem}.conv.weight"] = torch.zeros(table[f"{stem}.bn.weight"].shape[0], 12, 5, 5)
    with pytest.raises(BadWeights, match=fault):
        loaded(name, saved(tmp_path, monkeypatch, wrapped(name, table)))


@cases
def test_norms_that_are_not_whole_are_named(name: str) -> None:
    table = published(name)
    key = next(key for key in table if key.endswith("bn.bias"))
    del table[key]
    left = CASES[name].convert(table)
    assert [other for other in left if ".bn." in other] == [
        f"{key.removesuffix('bias')}{part}" for part in ("weight", "running_mean", "running_var", "num_batches_tracked")
    ]


# As the annotators run them.


def test_each_file_has_its_network_and_few_crops_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    given: list[int] = []

    def answer(x: Tensor) -> tuple[Tensor, Tensor]:
        given.append(len(x))
        return x, x

    def network(weight: Weight, build: Any, placement: Placement, convert: Any) -> Any:
        built.append((weight, build, convert))
        return answer

    monkeypatch.setattr(rtmpose, "load_network", network)
    crops = np.arange(rtmpose.CPU_BATCH + 1, dtype=np.float32)[:, None, None, None]
    across, down = rtmpose.load_rtmpose(AP10K_TORCH, Placement())(crops)
    rtmpose.load_rtmpose(WHOLE_BODY_TORCH["dw-ll_ucoco_384"], Placement())
    assert [build for _, build, _ in built] == [rtmpose.build_animal, rtmpose.build_whole_body]
    assert {convert for _, _, convert in built} == {rtmpose.convert}
    assert np.array_equal(across, crops)
    assert np.array_equal(down, crops)
    assert given == [rtmpose.CPU_BATCH, 1]


@cases
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_formats_run(name: str, dtype: Any) -> None:
    """What they make of it is not judged on random weights; nothing overflows that float32 holds."""
    size = {"whole_body": (96, 64), "animal": (64, 64), "yolox": (64, 64)}[name]
    module = CASES[name].narrow().eval().to(getattr(torch, dtype))
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight)
    with torch.inference_mode():
        found = module(torch.full((1, 3, *size), 2.0, dtype=getattr(torch, dtype)))
    for one in found if isinstance(found, tuple) else (found,):
        assert one.dtype == getattr(torch, dtype)
        assert torch.isfinite(one).all()


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
@pytest.mark.parametrize("name", ["rtmpose", "yolox"])
def test_openvino_gives_the_same(name: str) -> None:
    """RTMPose is traced with a crop of its own shape."""
    from underdrawing.core.networks.openvino import OpenVinoNetwork

    made = yolox.Yolox(8, 1) if name == "yolox" else rtmpose.RtmPose(rtmpose.Variant(0.1, 0.125, 5, (64, 96)))
    module = made.eval().requires_grad_(requires_grad=False)
    x = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(0)) * 4
    found = OpenVinoNetwork(module, Placement(backend="openvino"))(x)
    with torch.inference_mode():
        expected = module(x)
    pairs = [(found, expected)] if name == "yolox" else list(zip(found, expected, strict=True))
    for one, other in pairs:
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-4 * other.abs().max()
