from __future__ import annotations

import numpy as np
import pytest
from tests.support.maps import map_of
from tests.support.pictures import flat, photo

from underdrawing.preprocessors.color_grid import ColorGrid


def cells(shown: np.ndarray, height: int, width: int) -> np.ndarray:
    """Colours [rows, columns, 3]; fails unless every cell is flat."""
    rows, columns = shown.shape[0] // height, shown.shape[1] // width
    blocks = shown[: rows * height, : columns * width].reshape(rows, height, columns, width, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    return blocks[:, 0, :, 0]


def test_a_cell_is_64_pixels() -> None:
    shown = map_of(ColorGrid, photo(128, 192)).images[0]
    colours = cells(shown, 64, 64)
    assert colours.shape == (2, 3, 3)
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 6


def test_cells_are_stretched_to_the_map() -> None:
    assert cells(map_of(ColorGrid, photo(100, 150)).images[0], 100, 75).shape == (1, 2, 3)


def test_colours_stay_in_their_place() -> None:
    picture = flat(128, 128, 0)
    picture[:64, :64] = (250, 10, 20)
    picture[64:, 64:] = (5, 240, 90)
    assert np.array_equal(map_of(ColorGrid, picture).images[0], picture)


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (63, 63)])
def test_a_small_map_is_one_colour(size: tuple[int, int]) -> None:
    shown = map_of(ColorGrid, photo(*size)).images[0]
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_finer_cells() -> None:
    assert cells(map_of(ColorGrid, photo(64, 64), cell=16).images[0], 16, 16).shape == (4, 4, 3)
