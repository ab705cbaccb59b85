from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.images.geometry import Size
from underdrawing.core.images.resize import resize_image
from underdrawing.core.tiling.depth import align_depth, enlarge_part
from underdrawing.core.tiling.plan import plan_boxes

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
