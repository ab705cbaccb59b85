from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.video.alignment import fit_affine


@given(st.floats(0.25, 4), st.floats(-100, 100), st.integers(0, 9))
def test_scale_and_shift_are_found_exactly(scale: float, shift: float, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(0, 50, 200)
    assert fit_affine(x, x * scale + shift) == pytest.approx((scale, shift), rel=1e-5, abs=1e-5 * max(1, abs(shift)))


def test_a_third_of_outliers_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 50, 900)
    y = 1.3 * x + 7 + rng.normal(0, 0.2, 900)
    y[:300] += rng.uniform(20, 90, 300)
    assert fit_affine(x, y) == pytest.approx((1.3, 7), abs=0.1)


def test_noise_does_not_shrink_a_chain_of_fits() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 50, 2000)
    frame = last = truth + rng.normal(0, 4, 2000)
    for _ in range(40):
        frame = truth + rng.normal(0, 4, 2000)
        match = fit_affine(frame, last)
        assert match is not None
        last = match.apply(frame).astype(np.float64)
    assert np.std(last) == pytest.approx(np.std(frame), rel=0.1)


@pytest.mark.parametrize("y", [np.zeros(50), np.linspace(0, 1, 50) * 100], ids=["flat", "far too steep"])
def test_what_does_not_fit(y: np.ndarray) -> None:
    match = fit_affine(np.linspace(0, 1, 50), y)
    assert match is None or match.scale == 1


def test_flat_values_are_shifted_only() -> None:
    assert fit_affine(np.full(50, 3.0), np.full(50, 5.0)) == pytest.approx((1, 2))


def test_too_few_and_broken_numbers() -> None:
    assert fit_affine(np.arange(9.0), np.arange(9.0)) is None
    x = np.arange(50.0)
    y = np.where(x % 7 == 0, np.nan, 2 * x + 1)
    assert fit_affine(x, y) == pytest.approx((2, 1))
