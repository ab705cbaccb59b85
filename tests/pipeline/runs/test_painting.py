from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.pictures import photo

from underdrawing.core.errors import BadParameter
from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.request import Request
from underdrawing.pipeline.runs.painting import Painting, Region, expand_region, find_region


def make_mask(height: int, width: int, top: int, left: int, side: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((height, width), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def test_the_region_holds_the_soft_mask_and_its_padding() -> None:
    mask = make_mask(100, 120, 40, 50, 10)
    assert find_region(mask, 0, 8) == Region(32, 42, 26, 26)
    soft = find_region(mask, 2, 8)
    assert soft.top < 32
    assert soft.height > 26
    assert find_region(make_mask(100, 120, 0, 0, 10), 0, 32) == Region(0, 0, 42, 42)
    with pytest.raises(BadParameter, match="covers nothing"):
        find_region(np.zeros((9, 9), np.bool_), 0, 32)


@settings(deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False)
)
def test_an_expanded_region_stays_in_the_picture(height: int, width: int, down: int, across: int, random: Any) -> None:
    rows, columns = random.randint(1, height), random.randint(1, width)
    region = Region(random.randint(0, height - rows), random.randint(0, width - columns), rows, columns)
    size = Size(down * 8, across * 8)
    grown = expand_region(region, Size(height, width), size)
    assert 0 <= grown.top <= region.top
    assert 0 <= grown.left <= region.left
    assert region.top + rows <= grown.top + grown.height <= height
    assert region.left + columns <= grown.left + grown.width <= width
    aspect = size.width / size.height
    wanted = max(rows, columns / aspect), max(columns, rows * aspect)
    assert -1.01 <= grown.height - min(wanted[0], height) <= 0 or grown.height == rows
    assert -1.01 <= grown.width - min(wanted[1], width) <= 0 or grown.width == columns


def test_regions_are_rounded_as_a1111_rounds() -> None:
    """Values of its own function where a quotient lies just below a whole number: 75 / (200 / 304) below 114."""
    assert expand_region(Region(72, 22, 56, 75), Size(128, 97), Size(304, 200)) == Region(15, 22, 113, 75)
    assert expand_region(Region(33, 9, 70, 56), Size(103, 65), Size(200, 112)) == Region(4, 9, 99, 56)
    assert expand_region(Region(94, 90, 45, 33), Size(186, 180), Size(200, 280)) == Region(94, 76, 45, 62)


def test_only_the_masked_area_is_painted_and_put_back_in_the_whole_picture() -> None:
    picture, mask = photo(96, 128), make_mask(96, 128, 30, 40, 20)
    request = Request(prompt="", mask_area="masked", mask_blur=0)
    painting = Painting(request, Size(64, 64), picture, mask, Region(24, 34, 32, 32))
    assert painting.picture.shape == (64, 64, 3)
    assert painting.soft is not None
    assert painting.soft[32, 32] == 1
    painted = np.full((64, 64, 3), 7, np.uint8)
    result = painting.finish(painted)
    assert (result[mask] == 7).all()
    assert (result[~mask] == picture[~mask]).all()


def test_a_masks_edge_fades_outside_of_it() -> None:
    picture, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.bool_)
    mask[:, 32:] = True
    result = Painting(Request(prompt="", mask_blur=4), Size(64, 64), picture, mask, None).finish(picture + 200)
    assert (result[:, 32:] == 200).all(), "A1111 doubles the blurred mask"
    assert not result[:, :20].any()
    assert 0 < result[0, 28, 0] < 200
    assert (Painting(Request(prompt=""), Size(64, 64), picture, None, None).finish(picture + 9) == 9).all()


def test_what_is_masked_starts_from_the_colours_around_it() -> None:
    picture = np.full((64, 64, 3), (200, 40, 10), np.uint8)
    mask = make_mask(64, 64, 20, 20, 24)
    picture[mask] = (0, 0, 255)
    for content in ("fill", "noise", "nothing"):  # A1111 fills before it draws noise over the latents
        painting = Painting(Request(prompt="", mask_content=content, mask_blur=0), Size(64, 64), picture, mask, None)
        assert np.abs(painting.start.astype(int) - (200, 40, 10)).max() <= 8
    original = Painting(Request(prompt=""), Size(64, 64), picture, mask, None)
    assert original.start is original.picture
