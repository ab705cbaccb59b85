from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rendered_clips import turn_camera

from underdrawing.core.annotator import Annotator, ControlMap, Kind, Request, Spec
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.resize import resize_image
from underdrawing.core.networks.placement import Placement
from underdrawing.core.params import Params
from underdrawing.core.tiling.depth import align_depth, enlarge_part
from underdrawing.core.tiling.options import TileOptions
from underdrawing.core.tiling.plan import plan_boxes
from underdrawing.core.tiling.run import TiledRun

SCENE = np.add.outer(np.linspace(0, 3, 90), np.sin(np.linspace(0, 9, 120))).astype(np.float32)


@given(st.floats(0.05, 20), st.floats(-50, 50))
def test_scale_and_shift_are_undone(scale: float, shift: float) -> None:
    seen = ((SCENE - shift) / scale).astype(np.float32)
    assert np.abs(align_depth(seen, SCENE) - SCENE).max() <= 1e-2


def test_a_thing_that_only_one_of_them_sees_turns_nothing() -> None:
    seen = SCENE * 2 + 1
    seen[20:40, 20:50] += 30
    aligned = align_depth(seen, SCENE)
    away = np.ones(SCENE.shape, bool)
    away[20:40, 20:50] = False
    assert np.abs(aligned - SCENE)[away].max() <= 0.05


def test_scale_and_shift_are_undone_where_most_is_a_sky() -> None:
    scene = np.zeros_like(SCENE)
    scene[70:] = SCENE[70:]
    assert np.abs(align_depth(scene * 3 - 1, scene) - scene).max() <= 0.01


@pytest.mark.parametrize("plane", [np.zeros_like(SCENE), -SCENE])
def test_what_has_no_scale_is_shifted_alone(plane: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    aligned = align_depth(plane, SCENE)
    assert np.abs((aligned - plane) - (aligned - plane)[0, 0]).max() <= 1e-5
    assert abs(float(np.median(SCENE - aligned))) <= 1e-3


def test_a_part_of_an_enlarged_plane_is_cut_out_of_it() -> None:
    size = Size(200, 333)
    whole = resize_image(SCENE, size)
    for box in plan_boxes(size, 128, 32):
        assert np.abs(enlarge_part(SCENE, size, box) - whole[box.slices]).max() <= 0.02


def keep_plane(plane: Any, _: Any) -> Any:
    return plane


class TrueNearness(Annotator[Params]):
    """The nearness that a picture holds as its brightness, with a scale and a shift of its own in every pass."""

    spec = Spec(id="true", title="", kind=Kind.DEPTH, licence="", commercial=True, source="", values="scalar")

    def run(self, request: Request[Params]) -> ControlMap:
        """Values, and black maps."""
        random = np.random.default_rng(int(request.images.sum()))
        values = request.images[..., 0].astype(np.float32) / 255 * random.uniform(0.3, 4) + random.uniform(-3, 3)
        return ControlMap(np.zeros_like(request.images), values.astype(np.float32))

    def find_span(self, plane: Any, params: Params) -> tuple[float, float]:
        """None."""
        return 0.0, 1.0

    def render_span(self, values: Any, params: Params, span: tuple[float, float]) -> Any:
        """Black."""
        return np.zeros((*values.shape, 3), np.uint8)


def test_rendered_depth_through_tiles_that_disagree_is_the_truth_up_to_one_scale_and_shift(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (frame,) = turn_camera(1, 256)
    truth = np.rint(frame.nearness / frame.nearness.max() * 255).astype(np.uint8)
    picture = np.repeat(truth[None, ..., None], 3, axis=-1)

    def find_error() -> float:
        """Mean difference to the truth, as a share of its range, after one fit."""
        made = TrueNearness(Placement(), Params())
        run = TiledRun(made, picture, Params(), Size(256, 256), TileOptions(tile=128, overlap=32), made.step_tile)
        values = run.run("depth").values
        assert values is not None
        return float(np.abs(align_depth(values[0], truth / np.float32(255)) - truth / 255).mean())

    aligned = find_error()
    monkeypatch.setattr("underdrawing.core.tiling.run.align_depth", keep_plane)
    assert aligned <= 0.01
    assert find_error() >= 10 * aligned
