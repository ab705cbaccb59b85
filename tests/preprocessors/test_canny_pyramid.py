from __future__ import annotations

import numpy as np
from tests.support.maps import grey, map_of
from tests.support.pictures import flat, stored

from underdrawing.preprocessors.canny_pyramid import CannyPyramid


def test_the_map_equals_the_peers() -> None:
    shown = map_of(CannyPyramid, stored("picture")).images[0]
    assert np.abs(shown.astype(int) - stored("canny_pyramid")).max() <= 1


def test_a_step_is_white_and_flat_is_black() -> None:
    step = np.zeros((128, 160), np.uint8)
    step[:, 80:] = 255
    shown = map_of(CannyPyramid, grey(step)).images[0, ..., 0]
    assert shown[:, 76:84].max(axis=1).min() > 200
    assert shown[:, :60].max() == shown[:, 100:].max() == 0
    assert not map_of(CannyPyramid, flat(64, 64, 90)).images.any()
