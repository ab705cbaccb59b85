from __future__ import annotations

import cv2
import numpy as np
import pytest
from tests.support.maps import grey, map_of
from tests.support.pictures import photo

from underdrawing.preprocessors import registry
from underdrawing.preprocessors.threshold import Threshold


def test_white_is_what_exceeds_the_threshold() -> None:
    assert np.array_equal(map_of(Threshold, grey([[0, 127, 128, 255]])).images[0], grey([[0, 0, 255, 255]]))
    assert np.array_equal(map_of(Threshold, grey([[0, 1]]), threshold=0).images[0], grey([[0, 255]]))
    assert not map_of(Threshold, grey([[254, 255]]), threshold=255).images.any()


def test_the_darkest_channel_or_the_luma_decides() -> None:
    picture = np.array([[[255, 255, 0], [0, 200, 0], [200, 200, 200], [0, 0, 255]]], np.uint8)
    assert map_of(Threshold, picture).images[0, 0, :, 0].tolist() == [0, 0, 255, 0]
    assert map_of(Threshold, picture, measure="grey", threshold=100).images[0, 0, :, 0].tolist() == [255, 255, 255, 0]


def test_otsu_separates_two_shades_whatever_the_threshold() -> None:
    picture = grey([[60] * 5 + [90] * 3, [60] * 6 + [90] * 2])
    for threshold in (0, 127, 255):
        shown = map_of(Threshold, picture, measure="otsu", threshold=threshold).images[0]
        assert np.array_equal(shown == 255, picture == 90)


def test_otsu_is_chosen_per_picture() -> None:
    dark, bright = grey([[10, 10, 50, 50]]), grey([[150, 150, 200, 200]])
    shown = map_of(Threshold, np.stack([dark, bright]), measure="otsu").images
    assert shown[:, 0, :, 0].tolist() == [[0, 0, 255, 255]] * 2


def test_comfyuis_binary_lines() -> None:
    """Luma, inverse threshold, and inverted back."""
    presets = registry.resolve("BinaryPreprocessor").presets
    picture = photo()
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    theirs = 255 - np.where(luma > 100, 0, 255)
    assert np.array_equal(map_of(Threshold, picture, **presets).images[0, ..., 2], theirs)


def test_comfyuis_scribble_lines() -> None:
    """255 where the darkest channel is below 127, then inverted."""
    presets = registry.resolve("ScribblePreprocessor").presets
    ramp = grey([range(256)])
    theirs = 255 - np.where(np.arange(256) < 127, 255, 0)
    assert np.array_equal(map_of(Threshold, ramp, **presets).images[0, 0, :, 0], theirs)


@pytest.mark.parametrize("measure", ["darkest", "grey", "otsu"])
def test_only_black_and_white(measure: str) -> None:
    assert set(np.unique(map_of(Threshold, photo(), measure=measure).images).tolist()) == {0, 255}
