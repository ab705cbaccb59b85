from __future__ import annotations

import numpy as np
import pytest
from tests.support.maps import blurred, map_of
from tests.support.pictures import flat, photo

from underdrawing.preprocessors.blur import Blur


@pytest.mark.parametrize(("sigma", "radius"), [(1.0, 4), (3.5, 14), (9.0, 32)])
def test_equals_the_definition(sigma: float, radius: int) -> None:
    """OpenCV cuts the kernel of 8-bit pictures at three sigmas, hence the tolerance."""
    picture = photo(80, 90)
    difference = map_of(Blur, picture, sigma=sigma).images[0] - blurred(picture, sigma, radius)
    assert np.abs(difference).max() < 2
    assert abs(difference.mean()) < 0.1


def test_the_least_sigma_changes_nothing() -> None:
    picture = photo()
    assert np.array_equal(map_of(Blur, picture, sigma=0.01).images[0], picture)


def test_a_flat_picture_stays() -> None:
    assert np.array_equal(map_of(Blur, flat(50, 40, 201)).images[0], flat(50, 40, 201))


def test_more_sigma_less_contrast() -> None:
    spread = [float(map_of(Blur, photo(), sigma=s).images.std()) for s in (0.01, 2.0, 9.0, 64.0)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < spread[0] / 3
