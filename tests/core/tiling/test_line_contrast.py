from __future__ import annotations

import numpy as np
import pytest

from underdrawing.core.tiling.line_contrast import keep_visible

LINE = np.array([[10.0, 20.0, 90.0, 60.0]])


def half(step: int, noise: float = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A picture that is brighter below LINE."""
    rows, columns = np.mgrid[:80, :100]
    plane = 100 + step * (rows > columns / 2 + 15) + np.random.default_rng(0).normal(0, 1, (80, 100)) * noise
    return np.repeat(np.rint(plane).clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize(("step", "noise"), [(4, 0), (-40, 0), (40, 8)])
def test_lines_with_a_step_are_kept(step: int, noise: float) -> None:
    assert len(keep_visible(LINE, half(step, noise))) == 1


@pytest.mark.parametrize("noise", [0, 2, 8, 20])
def test_lines_on_a_wall_are_not(noise: float) -> None:
    assert len(keep_visible(LINE, half(0, noise))) == 0


def test_a_line_that_is_seen_for_a_third_of_its_length_is_not() -> None:
    picture = half(60)
    picture[:, 36:] = 100
    assert len(keep_visible(LINE, picture)) == 0
    assert len(keep_visible(LINE[:, [0, 1, 0, 1]] + [0, 0, 26, 13], picture)) == 1


def test_lines_three_pixels_off_and_thin_lines_are_seen() -> None:
    assert len(keep_visible(LINE + np.array([0, 3, 0, 3]), half(40))) == 1
    thin = half(0)
    thin[40, :] = 160
    assert len(keep_visible(np.array([[5.0, 41.0, 95.0, 41.0]]), thin)) == 1


def test_points_and_no_lines_are_no_trouble() -> None:
    assert keep_visible(np.zeros((0, 4)), half(9)).shape == (0, 4)
    assert len(keep_visible(np.array([[5.0, 5.0, 5.0, 5.0], [200.0, 5.0, 300.0, 5.0]]), half(9))) == 0
