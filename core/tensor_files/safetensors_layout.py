"""Whether the tensors that a safetensors header announces cover the bytes behind it, each as its dtype and shape need.

What is asked of every tensor is asked of whole columns (all dtypes, all shapes, all spans): no function of Python is
called for a tensor.
"""

from __future__ import annotations

import math
from itertools import repeat
from operator import mul, sub
from typing import NamedTuple

from ..errors import BadWeights

_BLOCK = 1024
"""Tensors whose sizes are computed at once."""
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one number of each dtype."""


class Entry(NamedTuple):
    """One tensor: dtype as the file spells it, shape, and its bytes' span [begin, end) after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Layout(NamedTuple):
    """What is known of all tensors, in the file's order."""

    names: list[str]
    dtypes: list[str]
    shapes: list[tuple[int, ...]]
    spans: list[tuple[int, int]]


def build_error(what: str, where: str, key: str = "") -> BadWeights:
    """Error about a file, or one key of it."""
    return BadWeights(what, where=f"{where}, key {key[:80]!r}" if key else where, fix="fetch or export the file again")


def check_layout(found: Layout, size: int, where: str) -> None:
    """Raise BadWeights unless the tensors cover size bytes exactly once."""
    _check_sizes(found, where)
    _check_spans(found, size, where)


def list_entries(found: Layout) -> dict[str, Entry]:
    """Tensors by name."""
    begins, ends = zip(*found.spans, strict=True) if found.spans else ((), ())
    rows = zip(found.dtypes, found.shapes, begins, ends, strict=True)
    return dict(zip(found.names, map(tuple.__new__, repeat(Entry), rows), strict=True))  # type: ignore[arg-type]


def _check_sizes(found: Layout, where: str) -> None:
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


def _check_spans(found: Layout, size: int, where: str) -> None:
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
