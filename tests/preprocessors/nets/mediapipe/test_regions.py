"""Cut-outs and the way back."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from underdrawing.preprocessors.nets.mediapipe.bodies import body_region as region_of_body
from underdrawing.preprocessors.nets.mediapipe.hands import hand_region, palm_region
from underdrawing.preprocessors.nets.mediapipe.regions import (
    Region,
    crop_region,
    enclosing_region,
    full_region,
    horizontal_angle,
    letterbox_region,
    rotate_vector,
    search_regions,
    tile_regions,
    to_picture,
    to_region,
    upright_angle,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

places = st.floats(-300, 900)
sides = st.floats(2, 2000)
regions = st.builds(Region, places, places, sides, sides, st.floats(-math.pi, math.pi))
points = st.lists(st.tuples(st.floats(-2, 3), st.floats(-2, 3)), min_size=1, max_size=8).map(
    lambda rows: np.array(rows, np.float32)
)


def blobs(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth picture: bilinear cut-outs of it can be foretold."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x * 200 / width, y * 200 / height, (x + y) * 100 / (height + width)], -1).astype(np.uint8)


@given(regions, points)
def test_the_way_back_is_the_inverse(region: Region, inner: NDArray[np.float32]) -> None:
    there = to_picture(inner, region)
    back = to_region(there.astype(np.float64), region)
    size = min(region.width, region.height)
    assert np.abs(back - inner).max() < 1e-3 + 1e-3 * (abs(region.x) + abs(region.y)) / size


@given(regions)
def test_corners_keep_sides_and_angle(region: Region) -> None:
    a, b, c = to_picture(np.array([[0, 0], [1, 0], [0, 1]], np.float32), region).astype(float)
    assert math.dist(a, b) == pytest.approx(region.width, rel=1e-3, abs=1e-2)
    assert math.dist(a, c) == pytest.approx(region.height, rel=1e-3, abs=1e-2)
    turned = math.remainder(math.atan2(b[1] - a[1], b[0] - a[0]) - region.angle, 2 * math.pi)
    assert abs(turned) < 1e-2 + 1 / region.width


@given(st.floats(-math.pi, math.pi))
def test_upright_and_level_see_the_angle(angle: float) -> None:
    x, y = rotate_vector(0, -10, angle)
    assert math.remainder(upright_angle((5, 6), (5 + x, 6 + y)) - angle, 2 * math.pi) == pytest.approx(0, abs=1e-6)
    x, y = rotate_vector(10, 0, angle)
    assert math.remainder(horizontal_angle((5, 6), (5 + x, 6 + y)) - angle, 2 * math.pi) == pytest.approx(0, abs=1e-6)


@given(points, st.floats(-math.pi, math.pi))
def test_around_holds_all_points_tightly(inner: NDArray[np.float32], angle: float) -> None:
    cloud = inner * 100
    region = enclosing_region(cloud, angle)
    if min(region.width, region.height) < 1:
        return
    back = to_region(cloud.astype(np.float64), region)
    assert back.min() == pytest.approx(0, abs=1e-2)
    assert back.max() == pytest.approx(1, abs=1e-2)


def test_a_crop_of_the_whole_is_the_picture() -> None:
    picture = blobs(37, 53)
    assert np.array_equal(crop_region(picture, full_region(picture), (37, 53)), picture)


def test_a_letterbox_is_centred_and_black_beyond() -> None:
    picture = np.full((20, 40, 3), 200, np.uint8)
    boxed = crop_region(picture, letterbox_region(picture), (40, 40))
    assert (boxed[10:30] == 200).all()
    assert not boxed[:9].any()
    assert not boxed[31:].any()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [16, 48, 96])
def test_quarter_turns_equal_rot90(quarters: int, size: int) -> None:
    picture = blobs(96, 96)
    region = Region(48, 48, 96, 96, quarters * math.pi / 2)
    expected = np.rot90(crop_region(picture, full_region(picture), (size, size)), quarters)
    assert np.abs(crop_region(picture, region, (size, size)).astype(int) - expected).max() <= 2


@settings(max_examples=30, deadline=None)
@given(st.floats(60, 140), st.floats(60, 140), st.floats(30, 300), st.floats(-math.pi, math.pi))
def test_a_marked_point_comes_back_where_it_was(x: float, y: float, side: float, angle: float) -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    yy, xx = np.mgrid[:200, :200] + 0.5
    picture[(xx - x) ** 2 + (yy - y) ** 2 < 49] = 255
    seen = picture[..., 0] > 0
    true = np.array([xx[seen].mean(), yy[seen].mean()])
    region = Region(100, 100, side, side, angle).scaled(2.5)
    small = crop_region(picture, region, (64, 64))[..., 0].astype(float)
    rows, columns = np.mgrid[:64, :64] + 0.5
    assume(small.any())
    found = np.array([[(small * columns).sum(), (small * rows).sum()]]) / small.sum() / 64
    if found.min() > 0.15 and found.max() < 0.85:
        back = to_picture(found.astype(np.float32), region)[0]
        assert np.abs(back - true).max() < 0.05 + 0.2 * region.width / 64


@given(st.integers(5, 400), st.integers(5, 400), st.integers(8, 200))
def test_tiles_cover_the_picture_and_overlap(height: int, width: int, side: int) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    made = tile_regions(picture, side)
    for length, centres in ((width, {t.x for t in made}), (height, {t.y for t in made})):
        ordered = sorted(centres)
        assert ordered[0] - side / 2 <= 1e-6
        assert ordered[-1] + side / 2 >= length - 1e-6
        assert all(b - a <= side / 2 + 1e-6 for a, b in pairwise(ordered))


@given(st.floats(-3, 3), st.floats(0.2, 5), st.floats(-200, 200), st.floats(-200, 200))
def test_regions_move_with_what_they_are_made_of(angle: float, scale: float, dx: float, dy: float) -> None:
    hand = np.array([[0.0, 0.0]] + [[(i % 5 - 2) * 8.0, -30.0 - i] for i in range(20)], np.float32)

    def moved(cloud: NDArray[np.float32]) -> NDArray[np.float32]:
        return (np.array([rotate_vector(x, y, angle) for x, y in cloud.tolist()]) * scale + (dx, dy)).astype(np.float32)

    for make in (hand_region, lambda cloud: region_of_body(cloud[0], cloud[9])):  # pyright: ignore
        before, after = make(hand), make(moved(hand))
        assert after.width == pytest.approx(before.width * scale, rel=1e-2)
        assert math.remainder(after.angle - before.angle - angle, 2 * math.pi) == pytest.approx(0, abs=1e-2)
        centre = moved(np.array([[before.x, before.y]], np.float32))[0]
        assert math.dist((after.x, after.y), centre.tolist()) < 0.05 * after.width


def test_a_palm_region_reaches_over_the_fingers() -> None:
    palm = np.array([[90, 90], [110, 110], [100, 110], [95, 95], [100, 90]], np.float32)
    region = palm_region(palm)
    assert region.angle == pytest.approx(0, abs=1e-6)
    assert (region.x, region.y, region.width, region.height) == pytest.approx((100, 90, 52, 52))


@pytest.mark.parametrize(
    ("height", "width", "levels", "sides"),
    [
        (512, 512, 1, [512]),
        (512, 512, 3, [512, 256, 128]),
        (400, 800, 3, [800, 400, 200]),
        (100, 800, 3, [800, 100]),
        (1, 64, 4, [64]),
    ],
)
def test_the_search_goes_down_to_the_finest_tiles(height: int, width: int, levels: int, sides: list[int]) -> None:
    found = search_regions(np.zeros((height, width, 3), np.uint8), levels, 96)
    assert list(dict.fromkeys(region.width for region in found)) == sides
