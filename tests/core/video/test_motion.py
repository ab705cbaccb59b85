from __future__ import annotations

import numpy as np
import pytest
from tests.support.clips import pan, texture

from underdrawing.core.video.motion import find_flow, find_static, match_frames, shrink_frame, warp_back

BIG = texture(160, 200)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, 0.0), (-2.5, 1.5)])
def test_a_pan_is_found_and_undone(shift: tuple[float, float]) -> None:
    first, second = pan(BIG, [(0, 0), shift], 96, 128)
    flow, known = match_frames(shrink_frame(second), shrink_frame(first))
    inner = flow[16:-16, 16:-16].reshape(-1, 2)
    assert np.median(inner, axis=0) == pytest.approx(shift, abs=0.15)
    change = np.abs(warp_back(first, flow).astype(int) - second)[16:-16, 16:-16]
    assert change.mean() < 1.5
    assert known[16:-16, 16:-16].mean() > 0.97


def test_another_scene_is_not_explained() -> None:
    first, second = shrink_frame(texture(96, 128, 1)), shrink_frame(texture(96, 128, 2))
    assert match_frames(first, second)[1].mean() < 0.2


def test_light_that_changes_everywhere_is_no_motion() -> None:
    first = texture(96, 128) // 2
    second = first + 30
    second[:20] = 255 - second[:20]
    static = find_static(shrink_frame(first), shrink_frame(second))
    assert static[24:].all()
    assert static[:18].mean() < 0.5


def test_flow_of_a_working_size_moves_a_larger_plane() -> None:
    first, second = pan(texture(700, 900), [(0, 0), (6, 0)], 512, 640)
    small = shrink_frame(second)
    assert min(small.shape) == 256
    moved = warp_back(first, find_flow(small, shrink_frame(first)))
    assert np.abs(moved.astype(int) - second)[32:-32, 32:-32].mean() < 2


def test_frames_of_a_few_pixels_are_taken_as_they_are() -> None:
    tiny = np.zeros((3, 5, 3), np.uint8)
    assert not find_flow(shrink_frame(tiny), shrink_frame(tiny + 90)).any()
