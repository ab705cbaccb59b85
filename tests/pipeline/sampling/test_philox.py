from __future__ import annotations

import numpy as np
import pytest

from underdrawing.pipeline.sampling.philox import PhiloxGenerator

FIRST = [
    [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]
"""What torch.randn(3, 4) gives on CUDA for seed 0, as A1111 quotes it."""


def test_numbers_of_cuda() -> None:
    numbers = PhiloxGenerator(0).draw((3, 4))
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, FIRST, atol=1e-6)


def test_draws_go_on_and_seeds_differ() -> None:
    generator, same = PhiloxGenerator(7), PhiloxGenerator(7)
    first, second = generator.draw((4, 8, 8)), generator.draw((4, 8, 8))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, same.draw((4, 8, 8)))
    assert np.array_equal(first.ravel()[:20], PhiloxGenerator(7).draw((20,)))
    assert not np.array_equal(first, PhiloxGenerator(7 + 2**32).draw((4, 8, 8)))


@pytest.mark.parametrize("seed", [0, 2**63, -1])
def test_numbers_are_normal(seed: int) -> None:
    numbers = PhiloxGenerator(seed).draw((40_000,))
    assert abs(float(numbers.mean())) < 0.02
    assert abs(float(numbers.std()) - 1) < 0.02
