from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.images.fit_map import count_colours, find_border_colour, fit_map, resize_map, thin_lines
from underdrawing.core.images.geometry import FitMode, Size, find_padded_size
from underdrawing.core.images.resize import pad_batch, resize_image, resize_images, resize_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

small = st.integers(1, 90)
sizes = st.builds(Size, small, small)
some = settings(max_examples=60, deadline=None)


def noise(size: tuple[int, int], seed: int = 0) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def circle(size: int = 200) -> U8:
    """A thin white circle on black, as Canny draws it."""
    canvas = np.zeros((size, size, 3), np.uint8)
    cv2.circle(canvas, (size // 2, size // 2), size // 3, (255, 255, 255), 1)
    return canvas


@some
@given(sizes, st.integers(1, 70), st.integers(0, 9))
def test_cropping_undoes_padding(size: Size, multiple: int, seed: int) -> None:
    batch = np.stack([noise(size, seed), noise(size, seed + 1)])
    padded = pad_batch(batch, find_padded_size(size, multiple))
    assert padded.shape[1:3] == find_padded_size(size, multiple)
    assert np.array_equal(padded[:, : size.height, : size.width], batch)
    assert np.array_equal(padded[:, -1, -1], batch[:, -1, -1])
    assert np.array_equal(
        padded[:, size.height :, 0], np.repeat(batch[:, -1:, 0], padded.shape[1] - size.height, axis=1)
    )


@some
@given(sizes, sizes)
def test_resizing_gives_the_size(size: Size, target: Size) -> None:
    assert resize_images(noise(size)[None], target).shape == (1, *target, 3)
    assert resize_image(noise(size)[..., :1], target).shape == (*target, 1)
    assert resize_image(noise(size)[..., 0].astype(np.float32), target).shape == tuple(target)


def test_very_long_pictures() -> None:
    assert resize_image(noise((1, 40000)), Size(2, 80000)).shape == (2, 80000, 3)
    assert resize_image(noise((3, 60000)), Size(1, 20000)).shape == (1, 20000, 3)


def test_shrinking_is_the_mean_of_the_area() -> None:
    picture = noise((8, 8))
    mean = picture.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize_image(picture, Size(4, 4)) - mean).max() <= 0.5


def test_masks_count_from_half() -> None:
    mask = np.zeros((1, 4, 4), np.bool_)
    mask[0, 0, :2] = mask[0, 2, 2] = True
    assert resize_masks(mask, Size(2, 2)).tolist() == [[[True, False], [False, False]]]


@some
@given(sizes, sizes, st.sampled_from(("just", "crop", "fill")), st.booleans())
def test_fitted_maps_have_the_target_size(size: Size, target: Size, mode: FitMode, smooth: bool) -> None:
    fitted = fit_map(noise(size), target, mode, smooth=smooth)
    assert fitted.shape == (*target, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous


def test_fill_uses_the_median_of_the_border() -> None:
    picture = np.full((10, 20, 3), (10, 20, 30), np.uint8)
    picture[3:7, 4:16] = 200
    picture[0, :3] = 255
    assert find_border_colour(picture).tolist() == [10, 20, 30]
    fitted = fit_map(picture, Size(20, 20), "fill")
    assert np.array_equal(fitted[5:15], picture)
    assert (fitted[:5] == (10, 20, 30)).all()
    assert (fitted[15:] == (10, 20, 30)).all()


def test_crop_takes_the_middle() -> None:
    picture = noise((10, 21))
    assert np.array_equal(fit_map(picture, Size(10, 10), "crop"), picture[:, 5:15])


@pytest.mark.parametrize("target", [Size(31, 77), Size(200, 150)])
def test_class_colours_stay_in_their_palette(target: Size) -> None:
    palette = noise((1, 150))[0]
    picture = palette[np.random.default_rng(1).integers(0, 150, (60, 80))]
    known = {tuple(colour) for colour in palette.tolist()}
    for smooth in (True, False):
        fitted = resize_map(picture, target, smooth=smooth)
        assert {tuple(colour) for colour in fitted.reshape(-1, 3).tolist()} <= known
    two = palette[np.random.default_rng(1).integers(0, 2, (60, 80))]
    assert count_colours(resize_map(two, target, smooth=False), 9) == 2


def test_red_and_black_stays_red_and_black() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[10:30, 10:30, 0] = 255
    assert {tuple(c) for c in resize_map(picture, Size(80, 80), smooth=False).reshape(-1, 3).tolist()} == {
        (0, 0, 0),
        (255, 0, 0),
    }


def test_smooth_maps_are_interpolated() -> None:
    picture = noise((64, 64))
    down = resize_map(picture, Size(32, 32))
    assert np.array_equal(down, cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA))
    assert np.array_equal(
        resize_map(picture, Size(99, 99)), cv2.resize(picture, (99, 99), interpolation=cv2.INTER_CUBIC)
    )


@pytest.mark.parametrize("size", [Size(100, 100), Size(150, 140), Size(400, 400), Size(700, 600)])
def test_thin_lines_stay_thin_and_whole(size: Size) -> None:
    fitted = resize_map(circle(), size, smooth=False)[..., 0]
    assert set(np.unique(fitted)) == {0, 255}
    pieces, _ = cv2.connectedComponents(fitted)
    assert pieces == 2
    holes, _ = cv2.connectedComponents(np.asarray(255 - fitted, np.uint8), connectivity=4)
    assert holes == 3
    blocks = fitted[1:, 1:] & fitted[:-1, 1:] & fitted[1:, :-1] & fitted[:-1, :-1]
    assert np.count_nonzero(blocks) <= 4
    y, x = np.nonzero(fitted)
    radius = np.hypot((y + 0.5) / size.height - 0.5025, (x + 0.5) / size.width - 0.5025)
    assert np.abs(radius - 0.33).max() < 0.02


def test_filled_shapes_stay_filled() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[15:45, 15:45] = 255
    fitted = resize_map(picture, Size(120, 120), smooth=False)
    assert np.array_equal(fitted[..., 0] > 0, np.kron(picture[..., 0], np.ones((2, 2), np.uint8)) > 0)


@some
@given(st.integers(0, 10**6))
def test_thinning_keeps_what_hangs_together(seed: int) -> None:
    blobs = cv2.GaussianBlur(np.random.default_rng(seed).random((60, 60)).astype(np.float32), (0, 0), 2.5)
    white = np.asarray(blobs) > 0.52
    thinned = thin_lines(white)
    assert not (thinned & ~white).any()
    before, labels = cv2.connectedComponents(white.astype(np.uint8))
    after, _ = cv2.connectedComponents(thinned.astype(np.uint8))
    assert after == before
    assert all(thinned[labels == label].any() for label in range(1, before))


def test_counting_colours() -> None:
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[7, 11] = (0, 0, 1)
    picture[211, 13] = (0, 1, 0)
    assert count_colours(picture, 199) == 3
    assert count_colours(picture, 2) == 3
    assert count_colours(picture, 1) == 2
    assert count_colours(noise((300, 300)), 199) == 200
