from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.tiling.options import TileOptions, choose_tiles, describe_tiles


def test_nought_is_one_piece() -> None:
    assert choose_tiles(0, 64) is None
    assert describe_tiles(None) == {}


@pytest.mark.parametrize(("tile", "overlap", "where"), [(63, 0, "tile"), (-1, 0, "tile"), (512, 257, "overlap")])
def test_what_cannot_be_cut_is_refused_by_name(tile: int, overlap: int, where: str) -> None:
    with pytest.raises(BadParameter, match=f"{where}: "):
        choose_tiles(tile, overlap)


def test_what_can_be_cut_is_described() -> None:
    tiles = choose_tiles(512, 256)
    assert tiles == TileOptions(tile=512, overlap=256)
    assert describe_tiles(tiles) == {"tiles": {"tile": 512, "overlap": 256}}
