from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from tests.support.maps import grey, map_of
from tests.support.pictures import photo

from underdrawing.preprocessors import registry
from underdrawing.preprocessors.recolor import Recolor

CIE = {
    (255, 0, 0): 53.2408,
    (0, 255, 0): 87.7347,
    (0, 0, 255): 32.2970,
    (255, 255, 255): 100.0,
    (0, 0, 0): 0.0,
    (119, 119, 119): 50.0344,
    (10, 10, 10): 2.7418,
}
"""L* of sRGB colours under D65, from the definition of CIELAB and published tables."""


@pytest.mark.parametrize(("colour", "lightness"), CIE.items())
def test_luminance_is_cie_lightness(colour: tuple[int, int, int], lightness: float) -> None:
    result = map_of(Recolor, np.array([[colour]], np.uint8))
    assert result.values is not None
    assert result.values[0, 0, 0] == pytest.approx(lightness / 100, abs=2e-4)
    assert result.images[0, 0, 0].tolist() == [round(lightness * 2.55)] * 3


def test_red_is_brighter_than_blue() -> None:
    """The peers have it the other way round."""
    red_blue = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    shown = map_of(Recolor, red_blue).images[0, 0, :, 0]
    assert shown.tolist() == [136, 82]


def test_intensity_is_the_largest_channel() -> None:
    picture = photo()
    result = map_of(Recolor, picture, channel="intensity")
    assert result.values is not None
    assert np.array_equal(result.images[0, ..., 0], picture.max(axis=-1))
    assert np.allclose(result.values[0], picture.max(axis=-1) / 255, atol=1e-6)


def test_all_greys_come_back_through_intensity() -> None:
    levels = grey([range(256)])
    assert np.array_equal(map_of(Recolor, levels, channel="intensity").images[0], levels)


def test_luminance_of_greys_rises_without_a_step() -> None:
    values = map_of(Recolor, grey([range(256)])).values
    assert values is not None
    steps = np.diff(values[0, 0])
    assert (steps > 0).all()
    assert steps.max() < 0.006


def test_parity_takes_red_for_blue_as_the_peers_do() -> None:
    read: Any = cv2.cvtColor(photo(), cv2.COLOR_BGR2LAB)
    shown = map_of(Recolor, photo(), reference_compat=True).images[0, ..., 0]
    assert np.abs(shown.astype(int) - read[..., 0]).max() <= 1
    assert np.abs(map_of(Recolor, photo()).images[0, ..., 0].astype(int) - read[..., 0]).max() > 5


@pytest.mark.parametrize("channel", ["luminance", "intensity"])
def test_gamma_is_an_exponent(channel: str) -> None:
    plain = map_of(Recolor, photo(), channel=channel).values
    dark = map_of(Recolor, photo(), channel=channel, gamma=2.0).values
    assert plain is not None
    assert dark is not None
    assert np.allclose(dark, plain.astype(np.float64) ** 2, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("recolor_luminance", "luminance"),
        ("recolor_intensity", "intensity"),
        ("ImageLuminanceDetector", "luminance"),
        ("ImageIntensityDetector", "intensity"),
    ],
)
def test_known_names(name: str, channel: str) -> None:
    assert registry.resolve(name).presets == {"channel": channel}
