from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.maps import blurred, map_of
from tests.support.pictures import drawing, flat, photo, stored

from underdrawing.preprocessors.lineart_standard import LineartStandard

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("lineart_standard", {}), ("lineart_standard_2_4", {"gaussian_sigma": 2.0, "intensity_threshold": 4})],
)
def test_equals_controlnet_aux(name: str, chosen: dict[str, Any]) -> None:
    ours = map_of(LineartStandard, stored("picture"), **chosen).images[0].astype(int)
    difference = np.abs(ours - stored(name))
    assert difference.max() <= 1  # another OpenCV may round otherwise
    assert (difference > 0).mean() < 0.001


@pytest.mark.parametrize("picture", [photo(60, 70), drawing(64, 50)], ids=["face", "drawing"])
def test_equals_the_definition(picture: NDArray[np.uint8]) -> None:
    strength = np.clip((blurred(picture, 6.0, 24) - picture).min(axis=-1), 0, 255)
    expected = np.clip(strength / max(16, np.median(strength[strength > 8])) * 127 / 255, 0, 1)
    result = map_of(LineartStandard, picture)
    assert result.values is not None
    assert np.abs(result.values[0] - expected).max() < 1e-4
    assert np.array_equal(result.images[0, ..., 1], (result.values[0] * np.float32(255) + np.float32(1e-4)).astype(int))


def test_the_median_line_is_mid_grey() -> None:
    values = map_of(LineartStandard, photo(), intensity_threshold=16).values
    assert values is not None
    assert 0.3 < np.median(values[values > 0.25]) < 0.7


def test_faint_shades_are_not_blown_up() -> None:
    """A texture of a few levels stays as faint as 127 / 16 times its strength."""
    picture = flat(64, 64, 200)
    picture[::2] -= 4
    shown = map_of(LineartStandard, picture).images
    assert 0 < shown.max() <= 4 * 127 / 16


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_page_is_black(level: int) -> None:
    result = map_of(LineartStandard, flat(40, 30, level))
    assert not result.images.any()
    assert result.values is not None
    assert result.values.max() < 1e-5
