"""Depth maps and normals: their formulas, scenes whose normals are known, and the names of other packs."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from underdrawing.core.images.geometry import Size
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.maps import depth
from underdrawing.preprocessors.weights.depth_files import DEPTH_ANYTHING_1, DEPTH_ANYTHING_2, MIDAS, ZOE, ZOE_ORIGINAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

SIZE = Size(60, 80)
SOBEL = 8
"""Sobel's 3 x 3 kernel gives this many times the slope."""


def ramp() -> Plane:
    """Disparity that grows to the right."""
    return np.tile(np.arange(SIZE.width, dtype=np.float32), (SIZE.height, 1))


def rows_and_columns() -> tuple[Plane, Plane]:
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width].astype(np.float32)
    return rows, columns


def tilted(across: float, down: float) -> Plane:
    rows, columns = rows_and_columns()
    return columns * np.float32(across) + rows * np.float32(down) + 100


def unit(x: Any, y: Any, z: Any) -> NDArray[np.float64]:
    vector = np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float64)
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def angles(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.float64]:
    """Angles in degrees between unit vectors."""
    return np.degrees(np.arccos(np.clip((found * expected).sum(-1), -1, 1)))


# Scenes.


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.5, 15))
def test_a_plane_has_one_normal(across: float, down: float, a: float) -> None:
    found = depth.compute_normals(tilted(across, down)[None], a, 0.0)[0]
    assert angles(found[1:-1, 1:-1], unit(SOBEL * across, SOBEL * down, a)).max() <= 0.1


def test_a_sphere_has_its_normals() -> None:
    """Seen from far away, its height being the disparity: then a = 8 gives the sphere's own normals."""
    rows, columns = rows_and_columns()
    left, up = 39.5 - columns, 29.5 - rows
    radius = 60.0
    height = np.sqrt(radius**2 - left**2 - up**2).astype(np.float32)
    found = depth.compute_normals(height[None], SOBEL, 0.0)[0]
    away = angles(found, unit(left, up, height))[1:-1, 1:-1]
    assert away.max() <= 0.2
    assert away.mean() <= 0.05


def test_a_box_faces_the_viewer_and_its_sides_do_not() -> None:
    height = np.zeros(SIZE, np.float32)
    height[20:40, 20:60] = 10
    found = depth.compute_normals(height[None], 2 * pi, 0.0)[0]
    assert np.allclose(found[22:38, 22:58], [0, 0, 1])
    assert np.allclose(found[:18], [0, 0, 1])
    left, right, top, bottom = found[30, 20], found[30, 59], found[20, 40], found[39, 40]
    assert left[0] > 0.9
    assert right[0] < -0.9
    assert top[1] > 0.9
    assert bottom[1] < -0.9


def test_a_mirrored_scene_has_mirrored_normals() -> None:
    scene = np.random.RandomState(3).random_sample(SIZE).astype(np.float32)[None]
    found, mirrored = depth.compute_normals(scene, 1.0, 0.3), depth.compute_normals(scene[:, :, ::-1].copy(), 1.0, 0.3)
    assert np.allclose(mirrored[:, :, ::-1] * [-1, 1, 1], found, atol=1e-6)


def test_background_is_level() -> None:
    found = depth.compute_normals(ramp()[None], 2 * pi, 0.4)[0]
    relative = ramp() / (SIZE.width - 1)
    assert np.array_equal(
        found[relative < 0.4], np.tile(np.array([0, 0, 1], np.float32), (int((relative < 0.4).sum()), 1))
    )
    assert (found[relative >= 0.4][:, 0] > 0).mean() > 0.95


def test_colours_of_normals_are_in_the_order_the_controlnet_learnt() -> None:
    vectors = np.array([[[[0, 0, 1], [1, 0, 0], [0, -1, 0]]]], np.float32)
    assert depth.render_normals(vectors).tolist() == [[[[255, 127, 127], [127, 127, 255], [127, 0, 127]]]]


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (2, 5, 7), elements=st.floats(0, 5000, width=32)), st.floats(0, 15), st.floats(0, 1))
def test_normals_are_unit_vectors(values: Plane, a: float, background: float) -> None:
    found = depth.compute_normals(values, a, background)
    assert found.dtype == np.float32
    assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_normals_of_slivers(size: tuple[int, int]) -> None:
    values = np.arange(size[0] * size[1], dtype=np.float32).reshape(1, *size)
    assert depth.compute_normals(values, 0.0, 0.5).shape == (1, *size, 3)


# Maps.


def test_near_is_white() -> None:
    disparity, distance = depth.render_disparity(ramp()[None]), depth.render_distance(ramp()[None])
    assert disparity.images[0, 0, [0, -1], 0].tolist() == [0, 255]
    assert distance.images[0, 0, [0, -1], 0].tolist() == [255, 0]
    assert disparity.notes == distance.notes == ()
    assert np.array_equal(disparity.values[0], ramp())


def test_maps_are_cut_off_and_not_rounded() -> None:
    values = np.array([[[0, 0.999, 1.999, 100]]], np.float32)
    assert depth.render_disparity(values).images[0, 0, :, 0].tolist() == [0, 2, 5, 255]


def test_zoedepths_percentiles() -> None:
    metres = np.random.RandomState(1).random_sample((1, 40, 50)).astype(np.float32) * 9 + 1
    near, far = np.percentile(metres[0], (2, 85))
    expected = ((1 - (metres - near) / (far - near)) * 255).clip(0, 255)
    found = depth.render_distance_by_percentile(metres).images[..., 0]
    assert np.abs(found - np.floor(expected)).max() <= 1
    assert (found == np.floor(expected)).mean() > 0.99
    darker = depth.render_distance_by_percentile(metres, gamma_corrected=True).images[..., 0]
    assert np.abs(darker - np.floor((expected / 255) ** 2.2 * 255)).max() <= 1


@pytest.mark.parametrize("shown", [depth.render_disparity, depth.render_distance, depth.render_distance_by_percentile])
@pytest.mark.parametrize("level", [0.0, 7.0, 1e6])
@pytest.mark.filterwarnings("error")
def test_flat_depth_is_black_and_told(shown: Any, level: float) -> None:
    flat = np.full(SIZE, level, np.float32)
    flat[0, 0] += np.float32(level * 1e-7)
    result = shown(np.stack([ramp(), flat]))
    assert result.images[0].max() == 255
    assert result.images[1].max() == 0
    assert len(result.notes) == 1
    assert "picture 2" in result.notes[0]
    assert depth.flat_normal_notes(np.stack([flat, ramp()])) == (
        result.notes[0].replace("2", "1").replace("black", "level"),
    )


def test_mostly_flat_distance_still_shows_the_rest() -> None:
    metres = np.full((1, *SIZE), 5, np.float32)
    metres[0, 0, 0] = 9
    assert depth.render_distance_by_percentile(metres).images[0, 0, :2, 0].tolist() == [0, 255]


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_are_told() -> None:
    values = ramp()[None].copy()
    values[0, 0, :2] = np.nan, np.inf
    result = depth.render_disparity(values)
    assert np.isfinite(result.values).all()
    assert "not finite" in result.notes[0]


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (1, 4, 6), elements=st.floats(0, 1e4, width=32)))
def test_a_mirrored_depth_gives_a_mirrored_map(values: Plane) -> None:
    one, other = (depth.render_disparity(v).images for v in (values, values[:, :, ::-1].copy()))
    assert np.array_equal(one[:, :, ::-1], other)


# Names.


@pytest.mark.parametrize(("name", "owner", "expected", "file"), [
    ("depth", "depth_midas", {"variant": "original"}, MIDAS["original"]),
    ("depth_midas", "depth_midas", {"variant": "original"}, MIDAS["original"]),
    ("MiDaS-DepthMapPreprocessor", "depth_midas", {"variant": "transformers"}, MIDAS["transformers"]),
    ("normal_map", "normal_midas", {"background_threshold": 0.4, "variant": "original"}, MIDAS["original"]),
    ("normal_midas", "normal_midas", {"background_threshold": 0.4}, MIDAS["original"]),
    ("MiDaS-NormalMapPreprocessor", "normal_midas", {"background_threshold": 0.1}, MIDAS["transformers"]),
    ("depth_zoe", "depth_zoe", {"model": "nyu"}, ZOE_ORIGINAL),
    ("Zoe-DepthMapPreprocessor", "depth_zoe", {"model": "nyu_kitti"}, ZOE["nyu_kitti"]),
    ("Zoe_DepthAnythingPreprocessor", "depth_zoe", {"model": "nyu"}, ZOE["nyu"]),
    ("depth_anything", "depth_dav1", {"model": "large"}, DEPTH_ANYTHING_1["large", "original"]),
    ("DepthAnythingPreprocessor", "depth_dav1", {"model": "large"}, DEPTH_ANYTHING_1["large", "transformers"]),
    ("depth_anything_v2", "depth_dav2", {"model": "large"}, DEPTH_ANYTHING_2["large", "original"]),
    ("DepthAnythingV2Preprocessor", "depth_dav2", {"model": "large"}, DEPTH_ANYTHING_2["large", "original"]),
    ("depth_dav2", "depth_dav2", {"model": "small"}, DEPTH_ANYTHING_2["small", "transformers"]),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, owner: str, expected: dict[str, Any], file: Any) -> None:
    found = registry.resolve(name)
    params = found.annotator.params(**found.presets)
    assert found.annotator.spec.id == owner
    assert {key: getattr(params, key) for key in expected} == expected
    assert found.annotator.weights_for(params) == (file,)


def test_what_may_be_used_commercially() -> None:
    allowed = {key for key, weight in DEPTH_ANYTHING_2.items() if weight.commercial}
    assert {model for model, _ in allowed} == {"small", "small_indoor", "small_outdoor"}
    assert all(weight.commercial for weight in (*DEPTH_ANYTHING_1.values(), *MIDAS.values(), *ZOE.values()))
