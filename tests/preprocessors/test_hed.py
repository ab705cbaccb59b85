"""HED against controlnet-aux on the same weights, its formats, its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.support.similarity import NAMES, photograph, ssim

from underdrawing import preprocessors
from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.hed import Hed
from underdrawing.preprocessors.maps import edges
from underdrawing.preprocessors.nets import hed
from underdrawing.preprocessors.weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "hed" / "hed.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def annotator(dtype: str = "float32", **params: Any) -> Hed:
    made = Hed.create(Hed.params(**params), device="cpu", dtype=dtype)
    assert isinstance(made, Hed)
    return made


def test_probability_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    values = annotator()(golden["image"][None], resolution=0).values
    assert values is not None
    assert np.abs(values[0] - golden["probability"] / 65535).max() <= 1e-4
    assert values.max() > 0.9


@pytest.mark.parametrize(("name", "safe"), [("edges", False), ("safe", True)])
def test_map_equals_the_peers(golden: dict[str, NDArray[Any]], name: str, safe: bool) -> None:
    images = annotator(safe=safe)(golden["image"][None], resolution=0).images[0]
    different = images != golden[name][..., None]
    assert different.mean() <= 0.001  # a probability within rounding of a level may fall on its other side
    assert (images == images[..., :1]).all()


def test_safe_maps_have_three_levels(golden: dict[str, NDArray[Any]]) -> None:
    result = annotator(safe=True)(golden["image"][None], resolution=0)
    assert np.unique(result.images).tolist() == [0, 127, 255]
    assert result.values is not None
    assert len(np.unique(result.values)) > 1000  # values stay as the network gave them


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_leaves_the_map_unchanged(name: str) -> None:
    photo = photograph(name, 144)  # bfloat16 is slow on CPUs without it
    full, short = (annotator(dtype)(photo, resolution=0).images[0, ..., 0] for dtype in ("float32", "bfloat16"))
    assert not np.array_equal(full, short)
    assert ssim(full, short) >= 0.99


def test_a_border_is_seen_as_edge_padding() -> None:
    photo = photograph("astronaut", 100)
    padded = np.pad(photo, ((0, 0), (0, 28), (0, 28), (0, 0)), mode="edge")
    whole = annotator()(padded, resolution=0).values
    part = annotator()(photo, resolution=0).values
    assert whole is not None
    assert part is not None
    assert np.array_equal(part, whole[:, :100, :100])


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (5, 5), elements=st.floats(0, 1, width=32)), st.integers(1, 10))
def test_safe_step_has_its_levels(x: NDArray[np.float32], steps: int) -> None:
    stepped = edges.quantise_safe(x, steps)
    assert stepped.dtype == np.float32
    assert np.abs(stepped * steps - np.round(stepped * steps)).max() < 1e-4
    assert set(edges.to_bytes(stepped).ravel().tolist()) <= {int(255 * k / steps + 1e-4) for k in range(steps + 1)}


def test_the_bundled_file_is_the_one_recorded() -> None:
    weight = WEIGHTS["bsds500"]
    data = (Path(str(preprocessors.__file__)).parent / "bundled" / weight.bundled).read_bytes()
    assert hashlib.sha256(data).hexdigest() == weight.sha256
    assert len(data) == weight.size


@pytest.mark.parametrize(("name", "model", "safe"), [
    ("hed", "bsds500", False),
    ("softedge_hed", "controlnet", False),
    ("hed_safe", "controlnet", True),
    ("softedge_hedsafe", "controlnet", True),
    ("HEDPreprocessor", "controlnet", True),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, model: Any, safe: bool) -> None:
    found = registry.resolve(name)
    params = Hed.params(**found.presets)
    assert found.annotator is Hed
    assert (params.model, params.safe) == (model, safe)
    assert Hed.weights_for(params) == (WEIGHTS[params.model],)


def official_keys() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of ControlNetHED.pth, as published."""
    shapes: dict[str, tuple[int, ...]] = {"norm": (1, 3, 1, 1)}
    channels = 3
    for block, (width, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1):
        for index in range(count):
            shapes[f"block{block}.convs.{index}.weight"] = (width, channels, 3, 3)
            shapes[f"block{block}.convs.{index}.bias"] = (width,)
            channels = width
        shapes[f"block{block}.projection.weight"] = (1, width, 1, 1)
        shapes[f"block{block}.projection.bias"] = (1,)
    return shapes


def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensors: dict[str, torch.Tensor]) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    monkeypatch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    monkeypatch.setattr(cache, "get_store", store.get_store)
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(folder))
    path = folder / "ControlNetHED.pth"
    torch.save(tensors, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=True)


def random_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {k: (torch.randn(s, generator=generator) * 0.02).half() for k, s in official_keys().items()}


def test_the_official_keys_load_strictly_from_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = random_tensors()
    assert len(tensors) == 37
    network = cache.load_network(saved(tmp_path, monkeypatch, tensors), hed.build, Placement())
    loaded = network.module.state_dict()
    assert {k: tuple(v.shape) for k, v in loaded.items()} == official_keys()
    assert all(torch.equal(loaded[k], v.float()) for k, v in tensors.items())
    assert network(torch.zeros(1, 3, 40, 50)).shape == (1, 40, 50)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    tensors = random_tensors()
    if fault == "missing":
        del tensors["block5.projection.bias"]
    elif fault == "unexpected":
        tensors["fuse.weight"] = torch.zeros(1, 5, 1, 1)
    else:
        tensors["norm"] = torch.zeros(1, 1, 1, 1)
    with pytest.raises(BadWeights, match=fault):
        cache.load_network(saved(tmp_path, monkeypatch, tensors), hed.build, Placement())
