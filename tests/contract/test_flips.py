"""A mirrored picture gives the mirrored map, to the last bit where the arithmetic is symmetric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.maps import map_of
from tests.support.pictures import drawing, photo

from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = ["blur", "inpaint", "invert", "lineart_standard", "recolor", "scribble_xdog", "threshold", "tile"]


def maps(name: str, picture: NDArray[np.uint8], axis: int, **params: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    annotator = registry.resolve(name).annotator
    masks = np.zeros((1, *picture.shape[:2]), bool) if annotator.spec.takes_mask else None
    turned = np.ascontiguousarray(np.flip(picture, axis))
    straight = map_of(annotator, picture, masks, **params).images[0]
    return straight, np.flip(map_of(annotator, turned, masks, **params).images[0], axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("picture", [photo(90, 77), drawing(64, 81)], ids=["face", "drawing"])
@pytest.mark.parametrize("name", EXACT)
def test_exactly(name: str, picture: NDArray[np.uint8], axis: int) -> None:
    straight, back = maps(name, picture, axis)
    assert np.array_equal(straight, back)


@pytest.mark.parametrize("axis", [0, 1])
def test_whole_cells(axis: int) -> None:
    straight, back = maps("color_grid", photo(128, 192), axis)
    assert np.array_equal(straight, back)


@pytest.mark.parametrize("axis", [0, 1])
def test_canny_up_to_ties(axis: int) -> None:
    """Of two equal neighbours the left or upper one is the line."""
    straight, back = maps("canny", photo(), axis)
    assert (straight != back).sum() <= 0.05 * (straight > 0).sum()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("chosen", [{"down_sampling_rate": 4.0}, {"pyramid": 3}])
def test_coarse_tiles(chosen: dict[str, Any], axis: int) -> None:
    straight, back = maps("tile", photo(128, 120), axis, **chosen)
    assert np.abs(straight.astype(int) - back).max() <= 2
