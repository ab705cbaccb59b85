"""What is recorded of every row beside its maps: its parameters, what its maps show, or why it has none."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import BadImage
from .facts import MapFacts

DAMAGE, NAME = "damage", "key"
"""Kinds of reasons: the rest of a shard cannot be read; a row's key is unusable or not its own."""
FILTERS = frozenset(("size", "aspect", "people", "keypoints", "edges", "depth"))
"""Kinds of reasons for which a row is filtered, and never written."""
_KINDS = {
    "picture": "pictures that cannot be read",
    "error": "rows on which an annotator failed",
    "memory": "rows that are too large for the memory",
    DAMAGE: "shards that are damaged, from a row on",
    NAME: "rows whose key is taken or no name",
}


def describe_kind(kind: str) -> str:
    """What reasons of a kind are counted as."""
    return f"filtered by {kind}" if kind in FILTERS else _KINDS.get(kind, f"refused for {kind}")


class RowRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row, as a line of JSON.

    key: the row's name in its data set. index: its place in its shard, from 0. width, height: of the picture, 0 where
    it could not be read. params, facts: annotator → what it ran with, what its map shows. notes: what a user should
    know of the maps. text: caption, for layouts that hold it. refused: why the row has no maps, empty where it has;
    kind: what such reasons are counted by.
    """

    key: str
    index: int
    width: int = 0
    height: int = 0
    params: dict[str, dict[str, Any]] = {}
    facts: dict[str, MapFacts] = {}
    notes: tuple[str, ...] = ()
    text: str = ""
    refused: str = ""
    kind: str = ""


def encode_record(record: RowRecord) -> bytes:
    """One line of JSON, the same bytes for the same record."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


def decode_record(line: bytes, *, where: str) -> RowRecord:
    """Read such a line. Raises BadImage for one that is none. where: file and number of the line."""
    try:
        return msgspec.json.decode(line, type=RowRecord)
    except msgspec.DecodeError as error:
        fix = "run `underdrawing dataset verify` on the data set"
        raise BadImage(f"this is no record of a row ({error})", where=where, fix=fix) from error
