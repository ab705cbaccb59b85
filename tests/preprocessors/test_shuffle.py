from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from tests.support.maps import map_of
from tests.support.pictures import mixed, noise, photo, ramp

from underdrawing.core.annotator import Request
from underdrawing.core.errors import BadImage
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.shuffle import LONGEST, Shuffle

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_a_seed_is_a_picture() -> None:
    shown = [map_of(Shuffle, photo(), seed=seed).images for seed in (0, 1, 2**32 - 1, 0)]
    assert np.array_equal(shown[0], shown[3])
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[1], shown[2])


def test_the_stream_of_random_numbers_is_the_documented_one() -> None:
    """PCG64 and 53-bit floats are the same in every numpy; a change would change every shuffle."""
    first = np.random.Generator(np.random.PCG64(0)).random(3)
    assert first == pytest.approx([0.6369616873214543, 0.2697867137638703, 0.04097352393619469], abs=1e-16)


@pytest.mark.parametrize("size", [(128, 96), (300, 520), (256, 256)])
def test_equals_the_recipe(size: tuple[int, int]) -> None:
    """Random grid, enlarged with a margin of 256, cut, stretched to 0..1, used as places in the picture."""
    height, width = size
    random = np.random.Generator(np.random.PCG64(7))
    places: list[NDArray[np.float64]] = []
    for side in (width, height):
        grid = random.random((height // 256 + 2, width // 256 + 2))
        disk = cv2.resize(grid, (width + 512, height + 512), interpolation=cv2.INTER_CUBIC)
        cut = disk[256 : 256 + height, 256 : 256 + width].astype(np.float64)
        places.append(np.rint((cut - cut.min()) / (cut.max() - cut.min()) * (side - 1) * 32) / 32)
    picture = photo(*size)
    difference = np.abs(map_of(Shuffle, picture, seed=7).images[0] - bilinear(picture, *places))
    assert np.quantile(difference, 0.999) <= 1.01  # rounding
    assert difference.max() <= 8  # a place on the border between two parts of a pixel may fall to either


def bilinear(picture: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(np.float64)
    column, row = x.astype(int), y.astype(int)
    across, down = (x - column)[..., None], (y - row)[..., None]
    top = padded[row, column] * (1 - across) + padded[row, column + 1] * across
    bottom = padded[row + 1, column] * (1 - across) + padded[row + 1, column + 1] * across
    return top * (1 - down) + bottom * down


def test_the_bytes_are_the_same_everywhere() -> None:
    """Measured with numpy 1.23.5 and 2.4.6, OpenCV 4.8.1 and 5.0.0."""
    assert zlib.crc32(map_of(Shuffle, noise(300, 520), seed=0).images.tobytes()) == 2024305211


def test_the_flow_reaches_every_border() -> None:
    shown = map_of(Shuffle, ramp(200, 180)).images[0]
    assert shown[..., 0].min() == 0
    assert shown[..., 0].max() == 255
    assert shown[..., 1].min() == 0
    assert shown[..., 1].max() == 255


def test_a_batch_is_poured_alike() -> None:
    pictures = mixed(90, 100)
    shown = map_of(Shuffle, pictures, seed=3).images
    assert np.array_equal(map_of(Shuffle, pictures[2], seed=3).images[0], shown[2])


def test_a_single_pixel_stays() -> None:
    assert np.array_equal(map_of(Shuffle, photo(1, 1)).images[0], photo(1, 1))


def test_a_side_too_long_is_refused() -> None:
    picture = np.zeros((1, 1, LONGEST + 1, 3), np.uint8)
    annotator = Shuffle(Placement(), Shuffle.params())
    with pytest.raises(BadImage, match="too long"):
        annotator.run(Request(picture, Shuffle.params(), Size(1, LONGEST + 1)))
    fits = picture[:, :, :-1]
    assert annotator.run(Request(fits, Shuffle.params(), Size(1, LONGEST))).images.shape == fits.shape
