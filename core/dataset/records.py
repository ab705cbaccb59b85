"""What is recorded of every row beside its maps: its parameters, what its maps show, or why it has none."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import BadImage
from .facts import MapFacts

DAMAGE, NAME = "damage", "key"
"""Kinds of reasons: the rest of a shard cannot be read; a row's key is unusable or not its own."""


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
