"""Rows of shards, streamed; one file for each way in which they are stored."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import BadImage, UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Row, Shard


def iter_rows(shard: Shard, *, image: str = "", key: str = "__key__", allow_outside: bool = False) -> Iterator[Row]:
    """Rows of a shard in order. image: field or column that holds the picture; key: the one that names the row.
    allow_outside: paths in tables may lead out of the table's folder.

    A row that cannot be read comes with its problem. Raises BadImage for a shard that cannot be read (on), whatever
    the reason, FetchFailed, MissingExtra.
    """
    more = {"allow_outside": allow_outside} if shard.kind in ("parquet", "lance") else {}
    try:
        yield from import_module(f".{shard.kind}", __name__).iter_rows(shard, image=image, key=key, **more)
    except (UnderdrawingError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a reader's panic is no Exception; one bad file must not end a run over many
        what = "there is not enough memory to read it" if isinstance(error, MemoryError) else describe_error(error)
        raise BadImage(what, where=shard.path, fix="download it again, or leave it out") from error


def describe_error(error: BaseException) -> str:
    """What a reader failed with, on one line."""
    return f"cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
