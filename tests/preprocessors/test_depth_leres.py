"""LeReS against controlnet-aux on the same random weights, its grey maps, its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.support import surfaces
from tests.support.similarity import photograph, ssim

from underdrawing.core.annotator import Request
from underdrawing.core.errors import BadWeights
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.depth_leres import DepthLeres
from underdrawing.preprocessors.nets import leres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, NDArray[Any]]]:
    with pytest.MonkeyPatch.context() as patch, surfaces.on_random_weights("leres", patch):
        yield surfaces.golden("leres")


def annotator(dtype: str = "float32", **params: Any) -> DepthLeres:
    made = DepthLeres.create(DepthLeres.params(**params), device="cpu", dtype=dtype)
    assert isinstance(made, DepthLeres)
    return made


@pytest.mark.parametrize(("name", "parity"), [("distance", False), ("parity", True)])
def test_distance_equals_the_reference(golden: dict[str, NDArray[Any]], name: str, parity: bool) -> None:
    values = annotator(reference_compat=parity)(golden["image"][None], resolution=0).values
    assert values is not None
    expected = golden[name]
    assert np.abs(values[0] - expected).max() <= 1e-4 * np.ptp(expected)
    assert expected.std() > 0.1 * np.ptp(expected)  # the random network does see the picture


@pytest.mark.parametrize(
    ("name", "removed"), [("map", {}), ("removed", {"remove_near": 20.0, "remove_background": 30.5})]
)
def test_the_peers_map_comes_back_with_parity(
    golden: dict[str, NDArray[Any]], name: str, removed: dict[str, Any]
) -> None:
    images = annotator(reference_compat=True, **removed)(golden["image"][None], resolution=0).images[0]
    assert (images == images[..., :1]).all()
    different = images[..., 0] != golden[name]
    assert different.mean() <= 0.001  # a distance within rounding of a level may fall on its other side
    assert len(np.unique(images)) > 50


def test_parity_changes_the_map(golden: dict[str, NDArray[Any]]) -> None:
    right, wrong = (
        annotator(reference_compat=parity)(golden["image"][None], resolution=0).images for parity in (False, True)
    )
    assert np.abs(right.astype(int) - wrong).mean() > 1


def test_bfloat16_leaves_the_map_unchanged(golden: dict[str, NDArray[Any]]) -> None:
    """On random weights, which mix the rounding of a hundred layers more than trained ones do."""
    photo = photograph("astronaut", 128)
    full, short = (annotator(dtype)(photo, resolution=0).images[0, ..., 0] for dtype in ("float32", "bfloat16"))
    assert not np.array_equal(full, short)
    assert ssim(full, short) >= 0.99


def test_padding_takes_no_part_in_the_range(golden: dict[str, NDArray[Any]]) -> None:
    result = annotator()(golden["image"][None, :50, :70], resolution=0)
    assert result.images.min() == 0
    assert result.images.max() == 255
    assert result.values is not None
    assert result.values.shape == (1, 50, 70)


def test_near_is_white_and_levels_are_even() -> None:
    distance = np.broadcast_to(np.linspace(3, 40, 511, dtype=np.float32), (2, 511))
    near = leres.render_nearness(distance, 0, 0)
    assert np.abs(near - np.linspace(255, 0, 511)).max() <= 0.51
    assert (np.diff(near.astype(int), axis=1) <= 0).all()


def test_both_ends_of_the_range_can_be_removed() -> None:
    distance = np.linspace(0, 1, 256, dtype=np.float32)[None]
    plain, removed = leres.render_nearness(distance, 0, 0), leres.render_nearness(distance, 20, 30)
    assert (removed[plain >= 255 - 51] == 255).all()
    assert (removed[plain <= 76] == 0).all()
    kept = (plain < 255 - 51) & (plain > 76)
    assert np.array_equal(removed[kept], plain[kept])


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (4, 5), elements=st.floats(-1e6, 1e6, width=32)), st.floats(0, 100), st.floats(0, 100))
def test_any_distances_make_a_map(distance: NDArray[np.float32], near: float, background: float) -> None:
    shown = leres.render_nearness(distance, near, background)
    assert shown.dtype == np.uint8
    order = np.argsort(distance.ravel(), kind="stable")
    assert (np.diff(shown.ravel()[order].astype(int)) <= 0).all()
    flat = np.full((4, 5), distance[0, 0])
    assert not leres.render_nearness(flat, near, background).any()


def test_the_same_depth_everywhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wall(images: NDArray[np.uint8], placement: Placement, *, reference_compat: bool) -> NDArray[np.float32]:
        return np.full(images.shape[:3], 3, np.float32)

    monkeypatch.setattr(leres, "estimate_distance", wall)
    request = Request(np.zeros((2, 8, 9, 3), np.uint8), DepthLeres.params(), Size(8, 9))
    result = DepthLeres(Placement(), DepthLeres.params()).run(request)
    assert "picture 1, 2 of the batch" in result.notes[0]
    assert not result.images.any()


def test_names_of_existing_workflows() -> None:
    for name in ("depth_leres", "depth_leres++", "LeReS-DepthMapPreprocessor", "LeresDetector"):
        assert registry.resolve(name).annotator is DepthLeres
    boosted = [alias for alias in DepthLeres.spec.aliases if alias.name == "depth_leres++"]
    assert boosted
    assert all("second network" in alias.instead for alias in boosted)
    node = next(alias for alias in DepthLeres.spec.aliases if alias.host == "comfyui")
    assert [(one.name, one.default, one.field) for one in node.widgets] == [
        ("rm_nearest", 0.0, "remove_near"),
        ("rm_background", 0.0, "remove_background"),
        ("boost", "disable", ""),
        ("resolution", 512, ""),
    ]


def test_the_official_file_loads_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = surfaces.constants("leres")
    assert len(tensors) == 712
    content = {"depth_model": {f"module.{key}": tensor for key, tensor in tensors.items()}}
    weight = surfaces.saved(tmp_path, monkeypatch, "res101.pth", content)
    loaded = cache.load_network(weight, leres.build, Placement(), leres.convert).module.state_dict()
    cache.unload()
    block = "depth_model.encoder_modules.encoder.layer3.22."
    gain, shift, mean, variance = (
        tensors[f"{block}bn2.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / torch.sqrt(variance + 1e-5)
    kernel = tensors[f"{block}conv2.weight"].double() * scale[:, None, None, None]
    assert torch.allclose(loaded["encoder.layer3.22.conv2.weight"].double(), kernel, rtol=1e-6)
    assert torch.allclose(loaded["encoder.layer3.22.conv2.bias"].double(), shift - mean * scale, rtol=1e-6)
    last = "decoder_modules.outconv.adapt_conv.3.weight"
    assert torch.equal(loaded["decoder.outconv.adapt_conv.3.weight"], tensors[f"depth_model.{last}"].float())


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
@pytest.mark.parametrize("key", ["encoder_modules.encoder.layer1.0.bn1.running_var", "decoder_modules.conv1.weight"])
def test_a_file_that_does_not_fit_is_refused(fault: str, key: str) -> None:
    with pytest.raises(BadWeights, match="does not fit"):
        surfaces.refusal(leres, "leres", fault, f"depth_model.{key}")
