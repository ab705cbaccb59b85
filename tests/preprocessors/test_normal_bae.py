"""Normal BAE against controlnet-aux on the same random weights, its rearranged layers, its colours, its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import random_weights, surfaces
from tests.support.similarity import photograph, ssim
from torch.nn import functional as F

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.nets import bae
from underdrawing.preprocessors.normal_bae import NormalBae

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, NDArray[Any]]]:
    with pytest.MonkeyPatch.context() as patch, surfaces.on_random_weights("bae", patch):
        yield surfaces.golden("bae")


def annotator(dtype: str = "float32") -> NormalBae:
    made = NormalBae.create(NormalBae.params(), device="cpu", dtype=dtype)
    assert isinstance(made, NormalBae)
    return made


def test_normals_equal_the_reference(golden: dict[str, NDArray[Any]]) -> None:
    result = annotator()(golden["image"][None], resolution=0)
    assert result.values is not None
    expected = golden["normals"].transpose(1, 2, 0) / 32767
    assert np.abs(result.values[0] - expected).max() <= 1e-4
    assert expected.std((0, 1)).min() > 0.03  # the random network does see the picture
    assert np.abs(np.linalg.norm(result.values[0], axis=-1) - 1).max() < 1e-5


def test_the_map_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    images = annotator()(golden["image"][None], resolution=0).images[0]
    different = images != golden["map"]
    assert different.mean() <= 0.001  # a normal within rounding of a level may fall on its other side
    assert np.abs(images.astype(int) - golden["map"]).max() <= 1


def test_bfloat16_leaves_the_map_unchanged(golden: dict[str, NDArray[Any]]) -> None:
    photo = photograph("astronaut", 128)
    full, short = (annotator(dtype)(photo, resolution=0).images[0] for dtype in ("float32", "bfloat16"))
    assert not np.array_equal(full, short)
    assert all(ssim(full[..., channel], short[..., channel]) >= 0.99 for channel in range(3))


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_weights_before_enlarging_are_the_same_convolution(height: int, width: int, rows: bool) -> None:
    x, level = (
        torch.from_numpy(np.random.default_rng(height).standard_normal(shape)).float()
        for shape in ((1, 8, height, width), (1, 3, 2 * height, 2 * width))
    )
    published = random_weights.tensors({"up._net.0.weight": (5, 11, 3, 3), "up._net.0.bias": (5,)})
    enlarged = F.interpolate(x, size=level.shape[-2:], mode="bilinear", align_corners=True)
    weight, bias = published.values()
    expected = F.conv2d(torch.cat([enlarged, level], 1), weight, bias, padding=1)
    bae._split_convolution(published, "up._net.0", 8, rows=rows)
    merge = (bae.MergeRows if rows else bae.Merge)(8, 3, 5)
    merge.load_state_dict({name.removeprefix("up._net.0."): tensor for name, tensor in published.items()}, strict=True)
    with torch.inference_mode():
        assert torch.allclose(merge(x, level), expected, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([2**9, 2**12, 2**19]))
def test_bands_join_to_the_whole(height: int, width: int, band: int) -> None:
    x = torch.from_numpy(np.random.default_rng(width).standard_normal((1, 16, height, width))).float()
    whole = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bae, "TILE_VALUES", band)
        assert torch.allclose(torch.cat(list(bae._iter_row_tiles(x)), 2), whole, atol=1e-5)


def sphere(side: int = 65) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Normals [side, side, 3] of a ball seen from the front, x to the left, y up, z to the viewer; and where it is."""
    axis = np.linspace(1, -1, side, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    inside = x**2 + y**2 < 0.98
    z = np.sqrt(np.where(inside, 1 - x**2 - y**2, 0))
    return np.where(inside[..., None], np.stack([x, y, z], -1), 0).astype(np.float32), inside


def test_colours_of_a_ball() -> None:
    normals, inside = sphere()
    shown = bae.render_normals(normals)
    assert np.abs(shown[inside] - (normals[inside] + 1) * 127.5).max() <= 1
    assert tuple(shown[32, 32]) == (127, 127, 255)  # the front is blue
    assert shown[32, 2, 0] > 240 > 140 > shown[32, 2, 1]  # the left is red
    assert shown[2, 32, 1] > 240 > 140 > shown[2, 32, 0]  # the top is green


def test_a_mirrored_ball_is_the_mirrored_map_with_red_turned_round() -> None:
    normals, inside = sphere()
    mirrored = normals[:, ::-1] * np.array([-1, 1, 1], np.float32)
    one, other = (bae.render_normals(picture)[inside].astype(int) for picture in (normals, mirrored))
    assert np.abs(one - other).max() <= 1
    assert (
        np.abs(bae.render_normals(normals)[..., 0].astype(int) + bae.render_normals(normals)[:, ::-1, 0] - 254).max()
        <= 1
    )


@pytest.mark.parametrize(("normal", "colour"), [
    ((0, 0, 1), (127, 127, 255)),
    ((1, 0, 0), (255, 127, 127)),
    ((0, 1, 0), (127, 255, 127)),
    ((-1, 0, 0), (0, 127, 127)),
    ((0, -1.5, 0), (127, 0, 127)),
])  # fmt: skip
def test_colours_of_planes(normal: tuple[float, ...], colour: tuple[int, ...]) -> None:
    plane = np.broadcast_to(np.array(normal, np.float32), (1, 4, 4, 3))
    assert (bae.render_normals(plane) == np.array(colour)).all()


def test_names_of_existing_workflows() -> None:
    for name in ("normal_bae", "normalbae", "BAE-NormalMapPreprocessor", "NormalBaeDetector"):
        assert registry.resolve(name).annotator is NormalBae


def test_the_official_file_loads_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = surfaces.constants("bae")
    assert len(tensors) == 936
    content = {"model": {f"module.{key}": tensor for key, tensor in tensors.items()}}
    weight = surfaces.saved(tmp_path, monkeypatch, "scannet.pt", content)
    loaded = cache.load_network(weight, bae.build, Placement(), bae.convert).module.state_dict()
    cache.unload()
    block = "encoder.original_model.blocks.3.6."
    gain, variance = (tensors[f"{block}bn2.{part}"].double() for part in ("weight", "running_var"))
    kernel = tensors[f"{block}conv_dw.weight"].double() * (gain / torch.sqrt(variance + 1e-3))[:, None, None, None]
    assert torch.allclose(loaded["encoder.blocks.3.6.conv_dw.weight"].double(), kernel, rtol=1e-6)
    point = tensors["decoder.out_conv_res1.6.weight"].float()
    assert torch.equal(loaded["out_conv_res1.6.weight"], point[..., None])
    assert not any("bn" in name or "conv_head" in name for name in loaded)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
@pytest.mark.parametrize(
    "key",
    [
        "encoder.original_model.blocks.2.1.bn3.running_mean",
        "encoder.original_model.conv_head.weight",
        "decoder.up1._net.0.weight",
        "decoder.out_conv_res4.2.weight",
    ],
)
def test_a_file_that_does_not_fit_is_refused(fault: str, key: str) -> None:
    with pytest.raises(BadWeights, match="does not fit"):
        surfaces.refusal(bae, "bae", fault, key)


def test_the_norm_behind_the_encoder_is_not_needed() -> None:
    tensors = {key: torch.empty(shape, device="meta") for key, shape in surfaces.shapes("bae").items()}
    less = {key: tensor for key, tensor in tensors.items() if ".original_model.bn2." not in key}
    assert len(less) == len(tensors) - 5
    assert bae.convert(tensors).keys() == bae.convert(less).keys()
