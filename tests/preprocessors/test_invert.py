from __future__ import annotations

import numpy as np
from tests.support.maps import map_of
from tests.support.pictures import photo

from underdrawing.preprocessors.invert import Invert


def test_every_channel_is_inverted() -> None:
    picture = np.array([[[0, 1, 255], [128, 127, 10]]], np.uint8)
    assert map_of(Invert, picture).images.tolist() == [[[[255, 254, 0], [127, 128, 245]]]]


def test_twice_is_the_picture() -> None:
    picture = photo()
    assert np.array_equal(map_of(Invert, map_of(Invert, picture).images).images[0], picture)
