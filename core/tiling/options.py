"""What tiles are cut by, for every host: one declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..errors import BadParameter
from ..params import Params, between

if TYPE_CHECKING:
    from collections.abc import Collection

LEAST_TILE = 64
LESS_MEMORY = "choose a smaller --resolution, or --tile 512"
"""What helps where a map needs more memory than there is."""
TILE = (
    "Side of the tiles, in pixels of the map, in which networks see a picture that is larger; 0: in one piece; "
    "networks are trained at 512 to 1024"
)
OVERLAP = "Pixels that neighbouring tiles share, at most half a tile; larger joins are smoother and take longer"

Tile = Annotated[int, between(0, 8192, TILE, step=64)]
Overlap = Annotated[int, between(0, 4096, OVERLAP, step=16)]


class TileOptions(Params, frozen=True):
    """Tiles in which large maps are made."""

    tile: Tile = 0
    overlap: Overlap = 64


def describe_tiles(tiles: TileOptions | None) -> dict[str, Any]:
    """For records of how a map was made; nothing where it was made in one piece."""
    return {} if tiles is None else {"tiles": msgspec.to_builtins(tiles)}


def choose_tiles(tile: int, overlap: int) -> TileOptions | None:
    """Checked options; None for maps in one piece. Raises BadParameter."""
    if not tile:
        return None
    if tile < LEAST_TILE:
        raise BadParameter(
            f"a tile of {tile} pixels is too small", where="tile", fix=f"give {LEAST_TILE} or more, or 0"
        )
    if not 0 <= overlap <= tile // 2:
        what = f"tiles of {tile} pixels cannot share {overlap}"
        raise BadParameter(what, where="overlap", fix=f"give 0 to {tile // 2}, half of the tile")
    return TileOptions(tile=tile, overlap=overlap)


def describe_tile(done: int, total: int, name: str = "") -> str:
    """Of progress bars, before a tile. name: of its annotator, where there may be others."""
    return f"{name}{': ' if name else ''}tile {done + 1} of {total}"


def describe_idle_overlap(given: Collection[str], tile: int) -> str:
    """Note on an overlap among the options that are given, which no tiles have; empty where there are tiles."""
    return "--overlap has no effect without --tile" if "overlap" in given and not tile else ""
