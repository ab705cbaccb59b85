from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.support.pictures import photo

from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.runs.fitting import fit_levels


def test_a_picture_of_the_size_stays_as_it_is() -> None:
    picture = photo()[:64, :96]
    assert fit_levels(picture, Size(64, 96), "crop") is picture


def test_a_stretched_picture_is_pillows() -> None:
    picture = np.ascontiguousarray(photo()[:100, :80])
    expected = np.array(Image.fromarray(picture).resize((64, 48), Image.Resampling.LANCZOS))
    assert (fit_levels(picture, Size(48, 64), "just") == expected).all()


@pytest.mark.parametrize("shape", [(64, 200), (200, 64), (111, 77), (8, 8)])
def test_a_cropped_picture_is_the_middle_and_a_filled_one_has_its_edges(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, shape[1]).astype(np.uint8)
    for mode in ("crop", "fill"):
        fitted = fit_levels(picture, Size(64, 64), mode)
        assert fitted.shape == (64, 64, 3)
        assert abs(int(fitted[32, 32, 0]) - 127) < 24
    assert int(fit_levels(picture, Size(64, 64), "fill")[0, 0, 0]) <= 8
    assert fit_levels(picture[..., 0], Size(64, 64), "fill").shape == (64, 64)


@pytest.mark.parametrize("shape", [(40, 96), (96, 40)])
def test_the_edges_of_a_filled_picture_are_continued_as_pillow_resizes_an_empty_box(shape: tuple[int, int]) -> None:
    picture = Image.fromarray(photo()).resize((shape[1], shape[0]))
    filled = fit_levels(np.array(picture), Size(96, 96), "fill")
    tall = shape[0] < shape[1]
    box = (0, 0, 96, 0) if tall else (0, 0, 0, 96)
    expected = np.array(picture.resize((96, 28) if tall else (28, 96), box=box))
    assert (filled[:28] if tall else filled[:, :28]).tolist() == expected.tolist()
