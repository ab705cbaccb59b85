from __future__ import annotations

import numpy as np
import pytest
from tests.support.maps import map_of
from tests.support.pictures import mixed, photo

from underdrawing.core.errors import BadImage
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.inpaint import Inpaint


def half(count: int = 1) -> np.ndarray:
    masks = np.zeros((count, 128, 128), bool)
    masks[:, 30:90, 64:] = True
    return masks


@pytest.mark.parametrize(("fill", "value"), [("minus_one", -1.0), ("zero", 0.0)])
def test_masked_pixels_are_exactly_the_fill(fill: str, value: float) -> None:
    picture = photo()
    result = map_of(Inpaint, picture, half(), fill=fill)
    assert result.values is not None
    inside = half()[0]
    assert (result.values[0][inside] == value).all()
    assert np.array_equal(result.values[0][~inside], picture[~inside].astype(np.float32) / np.float32(255))
    assert not result.images[0][inside].any()
    assert np.array_equal(result.images[0][~inside], picture[~inside])


def test_every_picture_has_its_own_mask() -> None:
    masks = half(6)
    masks[1:] = False
    result = map_of(Inpaint, mixed(128, 128), masks)
    assert result.values is not None
    assert (result.values[0] == -1).any()
    assert result.values[1:].min() == 0


@pytest.mark.parametrize("resolution", [0, 31, 200])
def test_resized_masks_leave_nothing_between(resolution: int) -> None:
    """Pictures are interpolated, the mark is not: a pixel is -1 or a colour."""
    annotator = Inpaint(Placement(), Inpaint.params())
    values = annotator(photo()[None], resolution=resolution, masks=half()).values
    assert values is not None
    masked = values == -1
    assert (masked.all(axis=-1) == masked.any(axis=-1)).all()
    assert values[~masked].min() >= 0
    assert masked[..., 0].mean() == pytest.approx(half().mean(), abs=0.03)


def test_without_a_mask_there_is_nothing_to_do() -> None:
    with pytest.raises(BadImage, match="mask"):
        map_of(Inpaint, photo())
