from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.maps import grey, map_of
from tests.support.pictures import noise, photo, stored

from underdrawing.preprocessors.canny import Canny

if TYPE_CHECKING:
    from numpy.typing import NDArray


def by_definition(picture: NDArray[np.uint8], low: int, high: int) -> NDArray[np.bool_]:
    """Canny pixel by pixel: Sobel, thinning along the gradient, following from strong to weak."""
    dx, dy = gradients(picture)
    strength = np.pad(np.abs(dx) + np.abs(dy), 1)
    ridge = np.zeros(dx.shape, bool)
    for y, x in np.ndindex(*dx.shape):
        ridge[y, x] = is_ridge(strength, y + 1, x + 1, int(dx[y, x]), int(dy[y, x]))
    weak, strong = ridge & (strength[1:-1, 1:-1] > low), ridge & (strength[1:-1, 1:-1] > high)
    return followed(weak, strong)


def gradients(picture: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of the channel with the largest gradient at each pixel."""
    p = np.pad(picture.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    dx = (p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:]) - (p[:-2, :-2] + 2 * p[1:-1, :-2] + p[2:, :-2])
    dy = (p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:]) - (p[:-2, :-2] + 2 * p[:-2, 1:-1] + p[:-2, 2:])
    best = (np.abs(dx) + np.abs(dy)).argmax(axis=-1)[..., None]
    return np.take_along_axis(dx, best, -1)[..., 0], np.take_along_axis(dy, best, -1)[..., 0]


def is_ridge(strength: NDArray[Any], y: int, x: int, dx: int, dy: int) -> bool:
    """Whether both neighbours across the line are weaker; of two equal ones in a row or column the first stays."""
    here = strength[y, x]
    if abs(dy) < np.tan(np.pi / 8) * abs(dx):
        return bool(here > strength[y, x - 1] and here >= strength[y, x + 1])
    if abs(dy) > np.tan(3 * np.pi / 8) * abs(dx):
        return bool(here > strength[y - 1, x] and here >= strength[y + 1, x])
    slope = -1 if dx * dy < 0 else 1
    return bool(here > strength[y - 1, x - slope] and here > strength[y + 1, x + slope])


def followed(weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    while True:
        p = np.pad(strong, 1)
        height, width = strong.shape
        near = np.logical_or.reduce([p[i : i + height, j : j + width] for i in range(3) for j in range(3)])
        grown = strong | (near & weak)
        if (grown == strong).all():
            return strong
        strong = grown


@pytest.mark.parametrize("picture", [photo(40, 56), photo(64, 33), noise(24, 24)], ids=["face", "tall", "noise"])
@pytest.mark.parametrize(("low", "high"), [(100, 200), (30, 90), (255, 255), (0, 0)])
def test_equals_the_definition(picture: NDArray[np.uint8], low: int, high: int) -> None:
    edges = map_of(Canny, picture, low_threshold=low, high_threshold=high).images[0]
    assert np.array_equal(edges[..., 0] == 255, by_definition(picture, low, high))


@pytest.mark.parametrize(
    ("name", "thresholds"),
    [("canny", {}), ("canny_50_255", {"low_threshold": 50, "high_threshold": 255})],
)
def test_equals_controlnet_aux(name: str, thresholds: dict[str, int]) -> None:
    assert np.array_equal(map_of(Canny, stored("picture"), **thresholds).images[0], stored(name))


def test_a_step_is_one_line() -> None:
    step = grey([[0] * 4 + [100] * 4] * 6)
    expected = grey([[0, 0, 0, 255, 0, 0, 0, 0]] * 6)
    assert np.array_equal(map_of(Canny, step).images[0], expected)


def test_a_step_in_one_channel_is_seen() -> None:
    """Red to green of the same luminance has no edge in grey."""
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8, 0], picture[:, 8:, 1] = 200, 102
    assert map_of(Canny, picture).images[0][:, 7:9].any()


def test_thresholds_in_the_wrong_order_are_swapped() -> None:
    picture = photo(64, 64)
    right = map_of(Canny, picture, low_threshold=80, high_threshold=220).images
    assert np.array_equal(map_of(Canny, picture, low_threshold=220, high_threshold=80).images, right)


def test_lower_thresholds_draw_more() -> None:
    drawn = [map_of(Canny, photo(), low_threshold=t, high_threshold=t).images.sum() for t in (20, 100, 200)]
    assert drawn == sorted(drawn, reverse=True)
    assert drawn[0] > drawn[-1]
