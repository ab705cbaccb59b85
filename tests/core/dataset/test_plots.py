"""Plots of statistics."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.dataset.plots import (
    BAR,
    BINS,
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_BARS,
    RIGHT,
    TOP,
    WIDTH,
    Plot,
    draw_plot,
    draw_plots,
    plan_bars,
    plan_counts,
    plan_histogram,
)

FINITE = st.floats(-1e12, 1e12, allow_subnormal=False)


def find_bars(plot: Plot) -> np.ndarray:
    """Whether a bar covers each pixel of the field between the axes."""
    field = draw_plot(plot)[TOP : HEIGHT - BOTTOM, LEFT : WIDTH - RIGHT]
    return (field == BAR).all(axis=-1)


@given(st.lists(FINITE, max_size=50))
def test_every_number_is_in_a_bin(values: list[float]) -> None:
    plot = plan_histogram("a", "A", "x", values)
    assert sum(plot.counts) == len(values)
    assert len(plot.edges) == len(plot.counts) + 1
    assert len(plot.counts) <= BINS + 2
    assert list(plot.edges) == sorted(plot.edges)


def test_bins_have_round_ends() -> None:
    assert plan_histogram("a", "A", "x", [0.003, 0.8]).edges[:3] == (0.0, 0.1, 0.2)
    assert plan_histogram("a", "A", "x", [0.003, 0.8] * 200).edges[:3] == (0.0, 0.02, 0.04)
    assert plan_histogram("a", "A", "x", [30, 120]).edges[0] == 30
    assert plan_histogram("a", "A", "x", [5, 5]).counts.count(2) == 1


def test_bars_are_as_high_as_their_counts() -> None:
    heights = [
        find_bars(plan_bars("a", "A", "x", [("few", 1), ("more", 2), ("most", 4)]))[:, x].sum() for x in (79, 238, 397)
    ]
    assert heights[2] > 0.95 * (HEIGHT - BOTTOM - TOP)
    assert abs(heights[2] - 2 * heights[1]) <= 2
    assert abs(heights[1] - 2 * heights[0]) <= 2


def test_one_row_is_seen_beside_a_million() -> None:
    shown = find_bars(plan_bars("a", "A", "x", [("one", 1), ("most", 10**6), ("none", 0)]))
    thirds = np.array_split(shown, 3, axis=1)
    assert [bool(third.any()) for third in thirds] == [True, True, False]


def test_what_does_not_fit_is_put_together() -> None:
    plot = plan_bars("a", "A", "x", [(str(n), 1) for n in range(50)])
    assert (len(plot.labels), plot.labels[-1], sum(plot.counts)) == (MOST_BARS, "others", 50)
    plot = plan_counts("a", "A", "x", {0: 3, 2: 1, 70: 2, 99: 1})
    assert plot.labels[:3] == ("0", "1", "2")
    assert plot.counts[:3] == (3, 0, 1)
    assert (plot.labels[-1], plot.counts[-1]) == (f"{MOST_BARS - 1}+", 3)
    assert plan_counts("a", "A", "x", {1: 5}).labels == ("0", "1")
    assert plan_counts("a", "A", "x", {}).counts == (0,)


def test_equal_numbers_give_equal_pictures_and_nothing_is_no_error() -> None:
    plots = [
        plan_histogram("a", "A title " * 40, "x\n\udcff", [1, 2, 3]),
        plan_bars("b", "B", "y", []),
        plan_counts("c", "", "", {}),
    ]
    sheet = draw_plots(plots)
    assert sheet.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert (sheet == draw_plots(plots)).all()
    assert draw_plots([]).shape == (HEIGHT, WIDTH, 3)
    assert draw_plots(plots[:1]).shape == (HEIGHT, WIDTH, 3)
