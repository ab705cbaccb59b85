from __future__ import annotations

import numpy as np

from underdrawing.core.images.geometry import Size
from underdrawing.core.tiling.canvas import Blend, Nearest
from underdrawing.core.tiling.plan import make_window, plan_boxes

SIZE, TILE, OVERLAP = Size(150, 230), 96, 32


def test_what_every_tile_agrees_on_is_unchanged() -> None:
    plane = np.random.default_rng(0).normal(size=(2, *SIZE, 3)).astype(np.float32)
    blend = Blend(SIZE)
    for box in plan_boxes(SIZE, TILE, OVERLAP):
        rows, columns = box.slices
        blend.add(box, plane[:, rows, columns], make_window(box, SIZE, OVERLAP))
    joined = blend.read()
    assert joined is not None
    assert np.abs(joined - plane).max() <= 1e-5


def test_tiles_that_disagree_leave_no_step() -> None:
    ramp = np.broadcast_to(np.arange(SIZE.width, dtype=np.float32), SIZE)
    blend = Blend(SIZE)
    for number, box in enumerate(plan_boxes(SIZE, TILE, OVERLAP)):
        rows, columns = box.slices
        blend.add(box, (ramp[rows, columns] + 8 * (number % 2))[None], make_window(box, SIZE, OVERLAP))
    joined = blend.read()
    assert joined is not None
    assert np.abs(np.diff(joined[0], axis=1)).max() <= 1 + 8 / OVERLAP + 1e-4
    assert np.abs(np.diff(joined[0], axis=0)).max() <= 8 / OVERLAP + 1e-4


def test_classes_are_those_of_the_tile_that_has_them_furthest_inside() -> None:
    nearest = Nearest(SIZE)
    for number, box in enumerate(plan_boxes(SIZE, TILE, OVERLAP)):
        nearest.add(box, [np.full((1, *box.size), number, np.uint8)], make_window(box, SIZE, OVERLAP))
    (plane,) = nearest.planes
    assert set(np.unique(plane)) == set(range(len(plan_boxes(SIZE, TILE, OVERLAP))))
    assert (plane[0, 0, 0], plane[0, -1, -1]) == (0, len(plan_boxes(SIZE, TILE, OVERLAP)) - 1)


def test_rows_are_finished_as_they_leave_and_only_a_row_of_tiles_is_held() -> None:
    size = Size(600, 96)
    finished: list[int] = []

    def finish(
        rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        finished.append(rows.shape[1])
        return np.rint(rows).astype(np.uint8)

    blend = Blend(size, finish)
    plane = np.random.default_rng(0).integers(0, 256, (1, *size), np.uint8)
    for box in plan_boxes(size, TILE, OVERLAP):
        rows, columns = box.slices
        blend.add(box, plane[:, rows, columns], make_window(box, size, OVERLAP))
    joined = blend.read()
    assert joined is not None
    assert joined.dtype == np.uint8
    assert np.array_equal(joined, plane)
    assert sum(finished) == size.height
    assert max(finished) == TILE


def test_one_tile_and_no_tile() -> None:
    blend = Blend(SIZE)
    assert blend.read() is None
    (box,) = plan_boxes(SIZE, 512, OVERLAP)
    blend.add(box, np.full((1, *SIZE), 3, np.uint8), make_window(box, SIZE, OVERLAP))
    joined = blend.read()
    assert joined is not None
    assert (joined == 3).all()
