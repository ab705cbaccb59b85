"""Rows of shards, streamed; one file for each way in which they are stored."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Row, Shard


def iter_rows(shard: Shard, *, image: str = "", key: str = "__key__") -> Iterator[Row]:
    """Rows of a shard in order. image: field or column that holds the picture; key: the one that names the row.

    A row that cannot be read comes with its problem. Raises BadImage for a shard that cannot be read at all,
    BadParameter for a field that no row has, MissingExtra.
    """
    yield from import_module(f".{shard.kind}", __name__).iter_rows(shard, image=image, key=key)
