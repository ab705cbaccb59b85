from __future__ import annotations

import numpy as np
import pytest

from underdrawing.core.images.geometry import Size
from underdrawing.core.tiling.lines import join_lines
from underdrawing.core.tiling.plan import plan_boxes

SIZE, TILE, OVERLAP = Size(128, 300), 128, 32


def join(lines: list[list[float]]) -> list[list[float]]:
    """Cut segments by tiles as a network that sees a tile alone would, and join them."""
    tiles = []
    for box in plan_boxes(SIZE, TILE, OVERLAP):
        own: list[list[float]] = []
        for x1, y1, x2, y2 in lines:
            low, high = max(min(x1, x2), box.left), min(max(x1, x2), box.left + TILE)
            if high - low >= 4:
                slope = (y2 - y1) / (x2 - x1)
                own.append([low - box.left, y1 + slope * (low - x1), high - box.left, y1 + slope * (high - x1)])
        tiles.append((box, np.array(own).reshape(-1, 4)))
    return sorted(sorted([line[:2].tolist(), line[2:].tolist()]) for line in join_lines(tiles, SIZE, OVERLAP))


@pytest.mark.parametrize("line", [[10, 20, 290, 100], [5, 64, 295, 64], [20, 30, 60, 90], [150, 10, 200, 100]])
def test_a_line_that_tiles_cut_is_one_line(line: list[float]) -> None:
    assert np.allclose(join([line]), [[line[:2], line[2:]]], atol=1e-6)


def test_neighbours_and_crossings_stay_apart() -> None:
    lines = [[10.0, 20.0, 290.0, 20.0], [10.0, 30.0, 290.0, 30.0], [10.0, 100.0, 290.0, 10.0]]
    assert len(join(lines)) == 3


def test_segments_of_one_tile_are_not_joined() -> None:
    assert len(join([[10.0, 20.0, 40.0, 20.0], [44.0, 20.0, 80.0, 20.0]])) == 2


def test_no_lines_are_no_lines() -> None:
    assert join([]) == []


def test_short_lines_where_four_tiles_meet_stay() -> None:
    size = Size(224, 224)
    for x in range(85, 140, 3):
        tiles = []
        for box in plan_boxes(size, TILE, OVERLAP):
            line = np.array([x, 112, x + 8, 118.0]) - [box.left, box.top, box.left, box.top]
            inside = line.min() >= 0 and line.max() <= TILE
            tiles.append((box, line[None] if inside else np.zeros((0, 4))))
        assert np.allclose(join_lines(tiles, size, OVERLAP), [[x, 112, x + 8, 118]])


@pytest.mark.parametrize("line", [[120, 5, 121, 120], [116, 30, 124, 40]])
def test_what_one_tile_alone_sees_at_a_side_where_another_goes_on_is_left_out(line: list[float]) -> None:
    first, second, *_ = plan_boxes(SIZE, TILE, OVERLAP)
    nothing = np.zeros((0, 4))
    assert len(join_lines([(first, np.array([line])), (second, nothing)], SIZE, OVERLAP)) == 0
    outside = np.array([[TILE - x, y] for x, y in np.reshape(line, (2, 2))]).reshape(1, 4)
    assert len(join_lines([(first, outside), (second, nothing)], SIZE, OVERLAP)) == 1
