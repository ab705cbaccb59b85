"""Arrays as hosts hand them over: grey, two colours, alpha over white, alpha as the mask."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.pictures import flat, noise

from underdrawing.core.errors import BadImage
from underdrawing.core.hosts.raw_pictures import read_raw_picture


def test_grey_becomes_three_channels() -> None:
    grey = noise(4, 5)[..., 0]
    for array in (grey, grey[..., None]):
        assert np.array_equal(read_raw_picture(array).images[0], np.repeat(grey[..., None], 3, 2))


def test_levels_of_0_and_1_are_black_and_white() -> None:
    two = np.eye(4, dtype=np.uint8)
    assert read_raw_picture(two).images[0, ..., 0].tolist() == (two * 255).tolist()
    assert read_raw_picture(two * 0).images.max() == 0


def test_alpha_is_laid_over_white_where_no_mask_is_taken() -> None:
    picture = np.dstack([flat(2, 2, 0), np.array([[0, 255], [255, 0]], np.uint8)])
    found = read_raw_picture(picture)
    assert found.masks is None
    assert found.images[0, ..., 0].tolist() == [[255, 0], [0, 255]]
    assert np.array_equal(read_raw_picture(picture[..., 2:]).images, found.images)


def test_alpha_is_the_mask_where_one_is_taken_and_the_colours_stay() -> None:
    colours, alpha = noise(4, 4), np.zeros((4, 4), np.uint8)
    alpha[1:3] = 255
    found = read_raw_picture(np.dstack([colours, alpha]), takes_mask=True)
    assert found.masks is not None
    assert np.array_equal(found.masks[0], alpha > 0)
    assert np.array_equal(found.images[0], colours)


def test_a_mask_apart_comes_first() -> None:
    apart = np.zeros((4, 4, 3), np.uint8)
    apart[0] = 255
    picture = np.dstack([noise(4, 4), np.full((4, 4), 255, np.uint8)])
    found = read_raw_picture(picture, apart, takes_mask=True)
    assert found.masks is not None
    assert found.masks[0, :, 0].tolist() == [True, False, False, False]
    assert read_raw_picture(noise(4, 4), takes_mask=True).masks is None


def test_what_is_no_picture_is_refused() -> None:
    for array in (np.zeros((2, 2, 5), np.uint8), np.zeros((0, 4), np.uint8), np.array("text")):
        with pytest.raises(BadImage):
            read_raw_picture(array)
