from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.support.maps import blurred, grey, map_of
from tests.support.pictures import drawing, flat, photo

from underdrawing.preprocessors.scribble_xdog import ScribbleXdog

if TYPE_CHECKING:
    from numpy.typing import NDArray


def strength(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much darker than its surroundings a pixel is, in the channel where it is least so."""
    return (blurred(picture, 5.0, 20) - blurred(picture, 0.5, 2)).min(axis=-1)


def sure(exact: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels whose whole number of levels does not hang on the last digits."""
    return np.abs(exact - np.rint(exact)) > 0.01


@pytest.mark.parametrize("threshold", [1, 31, 32, 64])
@pytest.mark.parametrize("picture", [photo(48, 60), drawing(70, 50)], ids=["face", "drawing"])
def test_equals_the_definition(picture: NDArray[np.uint8], threshold: int) -> None:
    exact = strength(picture)
    drawn = map_of(ScribbleXdog, picture, threshold=threshold).images[0, ..., 0] == 255
    levels = np.ceil(np.clip(exact, 0, 255))
    assert sure(exact).mean() > 0.6
    assert np.array_equal(drawn[sure(exact)], (2 * levels > threshold)[sure(exact)])


def test_strong_strokes_stay_unless_parity_is_asked_for() -> None:
    """A pen of 6 pixels on a bright page has strengths around 128."""
    page = np.full((80, 80), 250, np.uint8)
    page[:, 40:46] = 10
    exact = strength(grey(page))
    lost = sure(exact) & (exact > 127) & (exact <= 144)
    assert lost.any()
    for threshold, last in ((32, 144), (64, 160)):
        whole = map_of(ScribbleXdog, grey(page), threshold=threshold).images[0, ..., 0]
        holed = map_of(ScribbleXdog, grey(page), threshold=threshold, reference_compat=True).images[0, ..., 0]
        assert (whole[lost] == 255).all()
        assert (holed[lost] == 0).all()
        levels = np.ceil(np.clip(exact, 0, 255))
        gone = (whole != holed)[sure(exact)]
        assert np.array_equal(gone, ((levels >= 128) & (levels <= last))[sure(exact)])


def test_only_what_is_dark_in_every_channel_counts() -> None:
    red_on_white = np.full((40, 40, 3), 255, np.uint8)
    red_on_white[:, 20:22, 1:] = 0
    assert not map_of(ScribbleXdog, red_on_white).images.any()
    red_on_white[:, 20:22, 0] = 0
    assert map_of(ScribbleXdog, red_on_white).images.any()


def test_a_bright_line_is_no_stroke() -> None:
    page = np.full((40, 40), 40, np.uint8)
    page[:, 20:22] = 250
    drawn = map_of(ScribbleXdog, grey(page)).images[0, ..., 0]
    assert not drawn[:, 20:22].any()


@pytest.mark.parametrize("level", [1, 77, 128, 255])
def test_a_flat_page_is_black(level: int) -> None:
    assert not map_of(ScribbleXdog, flat(60, 50, level), threshold=1).images.any()


def test_lower_thresholds_draw_more() -> None:
    drawn = [int(map_of(ScribbleXdog, photo(), threshold=t).images.sum()) for t in (1, 16, 32, 64)]
    assert drawn == sorted(drawn, reverse=True)
    assert drawn[0] > drawn[-1] > 0
