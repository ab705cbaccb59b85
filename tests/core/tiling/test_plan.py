from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.images.geometry import Size
from underdrawing.core.tiling.plan import make_window, plan_boxes

SIDES = st.integers(1, 900)


@given(SIDES, SIDES, st.integers(64, 400), st.data())
def test_tiles_cover_everything_and_share_enough(height: int, width: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile // 2))
    size = Size(height, width)
    boxes = plan_boxes(size, tile, overlap)
    weight = np.zeros(size)
    for box in boxes:
        assert tuple(box.size) == (min(tile, height), min(tile, width))
        assert 0 <= box.top <= height - box.size.height
        assert 0 <= box.left <= width - box.size.width
        window = make_window(box, size, overlap)
        assert window.shape == tuple(box.size)
        assert 0 < window.min() <= window.max() <= 1
        rows, columns = box.slices
        weight[rows, columns] += window
    assert weight.min() > 0
    lefts = sorted({box.left for box in boxes})
    assert all(b - a <= tile - overlap for a, b in pairwise(lefts))


def test_weights_of_neighbours_sum_to_one() -> None:
    size = Size(64, 192)
    weight = np.zeros(size)
    for box in plan_boxes(size, 112, 32):
        rows, columns = box.slices
        weight[rows, columns] += make_window(box, size, 32)
    assert np.abs(weight - 1).max() < 1e-6
