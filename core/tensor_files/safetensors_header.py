"""Judges the header of a safetensors file: everything in it is counted before it is parsed, and parsed by msgspec.

A header of N bytes costs a parse of N bytes and a few objects for each of its tensors, whatever it holds: other values
are skipped as bytes, or refused by their count. Format: github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from .safetensors_layout import Layout, build_error, check_layout, list_entries

if TYPE_CHECKING:
    from .safetensors_layout import Entry

MAX_TENSORS = 100_000
MAX_NAME = 512
MAX_RANK = 64
MAX_METADATA = 20_000
"""Most entries of the table of metadata."""
_MAX_METADATA_BYTES, _MAX_TENSOR_BYTES = 4 * 2**20, 640
_MAX_ENTRY = 4096
_FIELDS = ("dtype", "shape", "data_offsets")
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)


class _Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    dtype: str
    shape: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=MAX_RANK)]
    data_offsets: tuple[_Count, _Count]


_TABLE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[_Fields])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_METADATA = msgspec.json.Decoder(dict[str, str])


def parse_header(raw: bytes, size: int, where: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """Tensors and metadata of a header; size: bytes behind it in the file. Raises BadWeights naming key and fault."""
    _check_counts(raw, where)
    try:
        table = _TABLE.decode(raw)
    except _FAULTS as error:
        raise build_error(_describe_json_fault(raw, error), where) from error
    _check_names(raw, table, where)
    metadata = _parse_metadata(table.pop("__metadata__", None), where)
    if len(table) > MAX_TENSORS:
        raise build_error(f"holds {len(table)} tensors, more than {MAX_TENSORS}", where)
    found = _parse_entries(table, where)
    check_layout(found, size, where)
    return list_entries(found), metadata


def _check_counts(raw: bytes, where: str) -> None:
    """Refuse what could be dear to parse: each tensor has ten quotation marks, each entry of metadata four."""
    tensors = raw.count(b'"data_offsets"')
    if len(raw) > _MAX_METADATA_BYTES + _MAX_TENSOR_BYTES * tensors:
        raise build_error(f"has a header of {len(raw)} bytes, far more than {tensors} tensors and metadata need", where)
    if tensors > MAX_TENSORS or max(raw.count(b"["), raw.count(b"{")) > 4 * MAX_TENSORS:
        raise build_error(f"holds more than {MAX_TENSORS} tensors", where)
    most, marks = 10 * tensors + 4 * MAX_METADATA, raw.count(b'"')
    if marks > most and marks - raw.count(b'\\"') > most:
        raise build_error(f"holds more texts than {tensors} tensors and {MAX_METADATA} entries of metadata have", where)


def _describe_json_fault(raw: bytes, error: Exception) -> str:
    what = f"has a header that is not valid JSON ({type(error).__name__}: {str(error)[:80]})"
    return f"{what}, or a name that is not text of at most {MAX_NAME} bytes" if b"\\u" in raw else what


def _check_names(raw: bytes, table: dict[str, msgspec.Raw], where: str) -> None:
    """Names and entries must be short, and names there once: the header is as long as its parts, or its pairs are
    counted."""
    names, lengths = "".join(table).encode(), [part.nbytes for part in map(memoryview, table.values())]  # type: ignore[arg-type]
    for name, length in zip(table, lengths, strict=True) if max(lengths, default=0) > _MAX_ENTRY else ():
        if length > _MAX_ENTRY and name != "__metadata__":
            raise build_error(_describe_entry_fault(bytes(table[name])[:_MAX_ENTRY]), where, name)
    if len(names) > MAX_NAME * (len(table) + 1) or max(map(len, table), default=0) > MAX_NAME // 4:
        for name in table:
            if len(name.encode()) > MAX_NAME:
                raise build_error(f"has a name that is not text of at most {MAX_NAME} bytes", where, name)
    spare = len(raw.rstrip()) - (1 + len(names) + 4 * len(table) + sum(lengths))
    if spare <= 0:
        return
    if spare > 1024 + 64 * len(table) + 5 * raw.count(b"\\"):
        raise build_error("holds names twice, or far more white space than names", where)
    _check_unique(raw, table, where)


def _check_unique(raw: bytes, table: dict[str, msgspec.Raw], where: str) -> None:
    """A pair that gave way to another of its name took quotation marks with it; where names have escapes, pairs are
    counted."""
    marks = b"".join(table.values()).count(b'"')  # type: ignore[arg-type]
    if raw.count(b'"') == marks + 2 * len(table):
        return
    names: list[str | bytes] = []
    if len(raw) < 2**20 or b"\\" in raw:
        try:
            found = json.loads(raw, object_pairs_hook=list if len(raw) < 2**20 else len)
        except (ValueError, RecursionError) as error:
            raise build_error(_describe_json_fault(raw, error), where) from error
        names = [name for name, _ in found] if isinstance(found, list) else []  # type: ignore[misc]
        if (len(names) or found) == len(table):
            return
    name, count = next(iter(Counter(names or _list_names(raw)).most_common(1)), ("", 0))
    if count > 1:
        raise build_error("is there twice", where, name if isinstance(name, str) else name.decode(errors="replace"))
    raise build_error("holds names that are there twice", where)


def _list_names(raw: bytes) -> list[bytes]:
    """What stands before each table in a header: the names, as they are spelled."""
    parts = re.split(rb'"\s*:\s*\{', raw)
    return [name for _, _, name in map(bytes.rpartition, parts[:-1], repeat(b'"'))]


def _parse_metadata(raw: msgspec.Raw | None, where: str) -> dict[str, str]:
    if raw is None:
        return {}
    try:
        return _METADATA.decode(raw)
    except _FAULTS as error:
        raise build_error("is not a table of texts", where, "__metadata__") from error


def _parse_entries(table: dict[str, msgspec.Raw], where: str) -> Layout:
    names, joined = list(table), b"[" + b",".join(table.values()) + b"]"  # type: ignore[arg-type]
    table.clear()
    try:
        found = _LIST.decode(joined)
    except _FAULTS as error:
        place = re.search(r"\$\[(\d+)\]", str(error))
        if place is None:
            raise build_error(_describe_json_fault(joined, error), where) from error
        at = int(place[1])
        part = bytes(_PARTS.decode(joined)[at])
        raise build_error(_describe_entry_fault(part), where, names[at]) from error
    for field in _FIELDS:
        mark = f'"{field}"'.encode()
        if joined.count(mark) != len(names):
            counts = map(bytes.count, map(bytes, _PARTS.decode(joined)), repeat(mark))
            at = [count == 1 for count in counts].index(False)
            raise build_error(f"{field!r}: is there twice, or spelled with escapes", where, names[at])
    spans = [one.data_offsets for one in found]
    return Layout(names, [one.dtype for one in found], [one.shape for one in found], spans)


def _describe_entry_fault(part: bytes) -> str:
    """What is wrong with an entry that has not the form of one."""
    try:
        value = json.loads(part)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or set(value) != set(_FIELDS):  # type: ignore[arg-type]
        return "needs exactly dtype, shape and data_offsets"
    if not isinstance(value["dtype"], str):
        return f"has the unknown dtype {str(value['dtype'])[:40]!r}"  # type: ignore[arg-type]
    if not _is_counts(value["shape"]) or len(value["shape"]) > MAX_RANK:  # type: ignore[arg-type]
        return f"has a shape that is not a list of at most {MAX_RANK} counts"
    return "has data_offsets that are not two rising counts"


def _is_counts(value: Any) -> bool:
    """Whether value is a list of integers from 0 to 2^63-1 (booleans are none)."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)  # type: ignore[misc]
