from __future__ import annotations

import math

import pytest

from underdrawing.pipeline.sampling.beta_distribution import find_beta_quantile


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.03, 0.25, 0.5, 0.77, 1 - 1e-9, 1.0])
def test_quantiles_of_distributions_with_a_formula(share: float) -> None:
    assert math.isclose(find_beta_quantile(share, 1, 1), share, rel_tol=1e-12)
    assert math.isclose(find_beta_quantile(share, 3, 1), share ** (1 / 3), rel_tol=1e-12)
    arcsine = math.sin(math.pi * share / 2) ** 2
    assert math.isclose(find_beta_quantile(share, 0.5, 0.5), arcsine, rel_tol=1e-9, abs_tol=1e-15)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 0.03958440558878085), (0.9, 0.9604155944112192)])
def test_quantiles_of_the_schedule_equal_scipy(share: float, expected: float) -> None:
    assert math.isclose(find_beta_quantile(share, 0.6, 0.6), expected, rel_tol=1e-12)


def test_the_middle_of_an_even_distribution_is_exact() -> None:
    assert find_beta_quantile(0.5, 0.6, 0.6) == 0.5
