from __future__ import annotations

import math

import numpy as np
import pytest

from underdrawing.core.video.one_euro import OneEuroFilter, find_share


def run(values: list[float], cutoff: float, speed: float, rate: float = 60) -> list[float]:
    smooth = OneEuroFilter(cutoff, speed)
    return [float(smooth(np.array([[value, 0.0]]), i / rate, 1.0)[0, 0]) for i, value in enumerate(values)]


def by_definition(values: list[float], cutoff: float, beta: float, rate: float = 60) -> list[float]:
    """The paper's algorithm 1 on one number."""

    def alpha(hertz: float) -> float:
        return 1 / (1 + rate / (2 * math.pi * hertz))

    result, speed = [values[0]], 0.0
    for value in values[1:]:
        speed += alpha(1.0) * ((value - result[-1]) * rate - speed)
        share = alpha(cutoff + beta * abs(speed))
        result.append(share * value + (1 - share) * result[-1])
    return result


@pytest.mark.parametrize(("cutoff", "speed"), [(1.0, 0.0), (1.0, 0.007), (0.3, 2.0)])
def test_one_coordinate_is_that_of_the_paper(cutoff: float, speed: float) -> None:
    values = np.random.default_rng(0).normal(0, 5, 40).cumsum().tolist()
    assert run(values, cutoff, speed) == pytest.approx(by_definition(values, cutoff, speed))


def test_jitter_at_rest_shrinks_and_motion_is_followed() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 200).tolist()
    assert np.std(run(noise, 1.0, 8.0)[50:]) < 0.5 * np.std(noise[50:])
    way = [2.0 * i / 60 for i in range(200)]
    assert max(abs(a - b) for a, b in zip(run(way, 1.0, 8.0)[100:], way[100:], strict=True)) < 0.04
    assert max(abs(a - b) for a, b in zip(run(way, 1.0, 0.0)[100:], way[100:], strict=True)) > 0.2


def test_a_missing_point_stays_missing_and_is_taken_up_again() -> None:
    smooth = OneEuroFilter(0.5, 0.0)
    points = np.array([[0.0, 0.0], [np.nan, np.nan]])
    assert np.isnan(smooth(points, 0.0, 1.0)[1]).all()
    assert smooth(np.array([[np.nan, np.nan], [5.0, 5.0]]), 0.1, 1.0)[1].tolist() == [5, 5]
    back = smooth(np.array([[1.0, 1.0], [5.0, 5.0]]), 0.2, 1.0)
    assert 0 < back[0, 0] < 1
    assert back[1].tolist() == [5, 5]


def test_time_stamps_count_and_not_frames() -> None:
    share = find_share(1.0, np.array([0.01, 0.1]))
    assert share[0] < share[1] < 1
