"""The measuring instrument itself: it must find what is there, and what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from tests.support import alignment

from underdrawing.core.images.fit_map import fit_map
from underdrawing.core.images.geometry import Size, find_target_size
from underdrawing.core.images.resize import resize_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]


def _canny(image: U8) -> U8:
    return np.repeat(np.asarray(cv2.Canny(image, 100, 200))[..., None], 3, axis=2).astype(np.uint8)


def _blur(image: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)


FILTERS: dict[str, Callable[[U8], U8]] = {
    "none": lambda image: image,
    "inverted": lambda image: np.asarray(255 - image, np.uint8),
    "canny": _canny,
    "blur": _blur,
    "threshold": lambda image: np.where(image > 128, 255, 0).astype(np.uint8),
}


@pytest.mark.parametrize("resolution", [200, 384, 512, 701])
@pytest.mark.parametrize("name", FILTERS)
def test_aligned_filters_pass(name: str, resolution: int) -> None:
    chart = alignment.Chart()
    size = find_target_size(Size(chart.height, chart.width), resolution)
    found = chart.offset(FILTERS[name](resize_image(chart.picture(), size)))
    assert found.worst <= 0.1
    assert found.bars >= 8


@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, -0.5), (1.0, 1.0)])
@pytest.mark.parametrize("name", FILTERS)
def test_a_shift_is_found(name: str, shift: tuple[float, float]) -> None:
    chart = alignment.Chart()
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    picture = chart.picture()
    moved = cv2.warpAffine(picture, move, (chart.width, chart.height), borderMode=cv2.BORDER_REPLICATE)
    found = chart.offset(FILTERS[name](np.asarray(moved, np.uint8)))
    assert found.x == pytest.approx(shift[0], abs=0.1)
    assert found.y == pytest.approx(shift[1], abs=0.1)


def test_corner_aligned_resizing_is_found() -> None:
    """The usual fault: sampling at i * scale instead of (i + 0.5) * scale - 0.5."""
    chart = alignment.Chart()
    picture = chart.picture()
    wrong = picture[::2, ::2]
    assert chart.offset(wrong).worst > 0.2
    assert chart.offset(resize_image(picture, Size(192, 256))).worst < 0.05


@pytest.mark.parametrize(
    ("target", "limit"), [(Size(192, 256), 0.25), (Size(1152, 1536), 0.25), (Size(768, 1024), 0.55)]
)
def test_fitted_lines_stay_aligned(target: Size, limit: float) -> None:
    """Doubled, a line of one pixel has its middle between two, so the thinned line lies half a pixel off."""
    chart = alignment.Chart()
    assert chart.offset(fit_map(_canny(chart.picture()), target, "just", smooth=False)).worst <= limit


def test_no_response_is_an_error() -> None:
    chart = alignment.Chart()
    with pytest.raises(ValueError, match="no response"):
        chart.offset(np.zeros((100, 100, 3), np.uint8))
