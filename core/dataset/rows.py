"""A row of a data set on its way through: as it is read, and with its maps."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from .options import Kind
from .records import RowRecord


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """Unit of work: an input file, or some of the pictures of a folder. Small, as it goes to other processes.

    name: of what is written of it, without an ending. path: of the file or folder. start, stop: which of the rows
    (fragments, for lance) it is. names, keys: files of a folder, and the rows' keys. digest: what it was when it was
    listed; another one means that the source has changed. url: where path was fetched from.
    stamps: of the pictures of a folder behind a URL, what tells another file of the name.
    """

    name: str
    path: str
    kind: Kind
    start: int = 0
    stop: int = 0
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    digest: str = ""
    url: str = ""
    stamps: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One input record, undecoded. picture: bytes of a picture file; path: of one that is still to be read.

    index: from 0 in its shard. fields: what else the record holds. problem: why it cannot be read.
    """

    key: str
    index: int
    picture: bytes | None = None
    path: str | None = None
    fields: dict[str, Any] = {}
    problem: str = ""


class Stored(NamedTuple):
    """What is stored of a row. maps: annotator → PNG file, of those that are there. picture: if the layout has it."""

    key: str
    maps: dict[str, bytes]
    picture: bytes | None = None


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """A row with its maps, ready to be written. maps: annotator → PNG file; empty where the record says refused.

    picture: the picture itself as PNG, upright, for layouts that hold it.
    """

    record: RowRecord
    maps: dict[str, bytes] = {}
    picture: bytes = b""
