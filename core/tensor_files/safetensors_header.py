"""Judges the header of a safetensors file: everything in it is counted before it is parsed, and parsed by msgspec.

A header of N bytes costs a parse of N bytes and a few objects for each of its tensors, whatever it holds: other values
are skipped as bytes, or refused by their count. What is asked of every tensor is asked of whole columns (all dtypes,
all shapes, all spans): no function is called for a tensor. Format: github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import repeat
from operator import mul, sub
from typing import Annotated, Any, NamedTuple

import msgspec

from ..errors import BadWeights

MAX_TENSORS = 100_000
MAX_NAME = 512
MAX_RANK = 64
MAX_METADATA = 20_000
"""Most entries of the table of metadata."""
_MAX_METADATA_BYTES, _MAX_TENSOR_BYTES = 4 * 2**20, 640
_MAX_ENTRY = 4096
_BLOCK = 1024
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one number of each dtype."""
_FIELDS = ("dtype", "shape", "data_offsets")
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)


class Entry(NamedTuple):
    """One tensor: dtype as the file spells it, shape, and its bytes' span [begin, end) after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    dtype: str
    shape: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=MAX_RANK)]
    data_offsets: tuple[_Count, _Count]


class _Columns(NamedTuple):
    """What is known of all tensors, in the file's order."""

    names: list[str]
    dtypes: list[str]
    shapes: list[tuple[int, ...]]
    spans: list[tuple[int, int]]


_TABLE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[_Fields])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_METADATA = msgspec.json.Decoder(dict[str, str])


def build_error(what: str, where: str, key: str = "") -> BadWeights:
    """Error about a file, or one key of it."""
    return BadWeights(what, where=f"{where}, key {key[:80]!r}" if key else where, fix="fetch or export the file again")


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
    _check_sizes(found, where)
    _check_spans(found, size, where)
    return dict(zip(found.names, _list_entries(found), strict=True)), metadata


def _list_entries(found: _Columns) -> list[Entry]:
    begins, ends = zip(*found.spans, strict=True) if found.spans else ((), ())
    rows = zip(found.dtypes, found.shapes, begins, ends, strict=True)
    return list(map(tuple.__new__, repeat(Entry), rows))  # type: ignore[arg-type]


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
    found = json.loads(raw, object_pairs_hook=len) if b"\\" in raw else 0
    if found != len(table):
        name, count = Counter(_list_names(raw)).most_common(1)[0]
        if count > 1:
            raise build_error("is there twice", where, name.decode())
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


def _parse_entries(table: dict[str, msgspec.Raw], where: str) -> _Columns:
    names, joined = list(table), b"[" + b",".join(table.values()) + b"]"  # type: ignore[arg-type]
    table.clear()
    try:
        found = _LIST.decode(joined)
    except _FAULTS as error:
        place = re.search(r"\$\[(\d+)\]", str(error))
        at = int(place[1]) if place else 0
        part = bytes(_PARTS.decode(joined)[at])
        raise build_error(_describe_entry_fault(part), where, names[at]) from error
    for field in _FIELDS:
        mark = f'"{field}"'.encode()
        if joined.count(mark) != len(names):
            counts = map(bytes.count, map(bytes, _PARTS.decode(joined)), repeat(mark))
            at = [count == 1 for count in counts].index(False)
            raise build_error(f"{field!r}: is there twice, or spelled with escapes", where, names[at])
    spans = [one.data_offsets for one in found]
    return _Columns(names, [one.dtype for one in found], [one.shape for one in found], spans)


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


def _check_sizes(found: _Columns, where: str) -> None:
    """Each tensor must span the bytes that its dtype and shape need; block by block, since a shape may be huge."""
    if not BITS.keys() >= set(found.dtypes):
        at = [dtype in BITS for dtype in found.dtypes].index(False)
        raise build_error(f"has the unknown dtype {found.dtypes[at][:40]!r}", where, found.names[at])
    for start in range(0, len(found.names), _BLOCK):
        block = slice(start, start + _BLOCK)
        begins, ends = zip(*found.spans[block], strict=True)
        needed = list(map(mul, map(math.prod, found.shapes[block]), map(BITS.__getitem__, found.dtypes[block])))
        spanned = list(map(mul, map(sub, ends, begins), repeat(8)))
        if needed != spanned:
            at = start + next(at for at, size in enumerate(needed) if size != spanned[at])
            what = _describe_size_fault(found.dtypes[at], found.shapes[at], *found.spans[at])
            raise build_error(what, where, found.names[at])


def _describe_size_fault(dtype: str, shape: tuple[int, ...], begin: int, end: int) -> str:
    if begin > end:
        return "has data_offsets that are not two rising counts"
    total = math.prod(shape) * BITS[dtype]
    size = f"{total / 8:g}" if total < 2**64 else "more than 2^61"
    return f"is {dtype} {list(shape[:8])}, which is {size} bytes, but spans {end - begin}"


def _check_spans(found: _Columns, size: int, where: str) -> None:
    """Tensor bytes must cover [0, size) exactly once."""
    spans = sorted(found.spans)
    begins, ends = [begin for begin, _ in spans], [0, *[end for _, end in spans]]
    if begins == ends[:-1] and ends[-1] == size:
        return
    at = next((at for at, begin in enumerate(begins) if begin != ends[at] or ends[at + 1] > size), -1)
    if at < 0:
        raise build_error(f"holds {size - ends[-1]} bytes that belong to no tensor", where)
    name = max([name for name, span in zip(found.names, found.spans, strict=True) if span == spans[at]])
    raise build_error(_describe_span_fault(*spans[at], ends[at], size), where, name)


def _describe_span_fault(begin: int, end: int, at: int, size: int) -> str:
    if end > size:
        return f"ends at byte {end} but the file holds {size}: it is cut off"
    if begin < at:
        return "overlaps the tensor before it"
    return f"leaves a hole of {begin - at} bytes before it"
