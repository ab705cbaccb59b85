"""Directories of TIFFs, read before Pillow reads them: how many, how long, and whether all strips are there."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadImage
from ..headers import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

MAX_PAGES = 4096
MAX_TAGS = 4096
MAX_TAG_BYTES = 64 << 20
_SPARE_TILE = 1 << 20
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_NEEDED = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347, 529, 530, 532}
"""Tags without which the pixels would be other ones."""
_SIMPLER = "save the picture again as an ordinary TIFF or PNG"


class _Layout(NamedTuple):
    """Classic or BigTIFF, in either byte order."""

    order: str
    tally: str
    entry: str
    offset: str


class _Entry(NamedTuple):
    """A tag of a directory. place: of its value in the file. size: in bytes."""

    tag: int
    kind: int
    number: int
    place: int

    @property
    def size(self) -> int:
        return _SIZES.get(self.kind, 1) * self.number


def check_tiff(file: BinaryIO, *, where: str) -> None:
    """Walk the directories. Raises BadImage where tags hold more than a picture needs, or needed ones are cut off."""
    pages, tags, held = 0, 0, 0
    end = file.seek(0, 2)
    for entries in _iter_directories(file):
        pages, tags = pages + 1, tags + len(entries)
        held += sum(entry.size for entry in entries)
        if pages > MAX_PAGES or tags > MAX_TAGS + 64 * pages or held > MAX_TAG_BYTES:
            what = f"the TIFF's directories hold {tags} tags of {held} bytes on {pages} pages or more; not decoded"
            raise BadImage(what, where=where, fix=_SIMPLER)
        cut = [entry.tag for entry in entries if entry.tag in _NEEDED and entry.place + entry.size > end]
        if cut:
            raise BadImage(f"the TIFF is cut off: its tag {cut[0]} lies beyond its end", where=where, fix=AGAIN)


def read_tags(file: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Whole numbers of the tags of the first directory, as far as they can be read."""
    found: dict[int, tuple[int, ...]] = {}
    order = find_order(file)
    for entry in next(_iter_directories(file), ()):
        if entry.kind in _NUMBERS and entry.size <= MAX_TAG_BYTES:
            file.seek(entry.place)
            data = file.read(entry.size)
            if len(data) == entry.size:
                found[entry.tag] = struct.unpack(f"{order}{entry.number}{_NUMBERS[entry.kind]}", data)
    return found


def find_order(file: BinaryIO) -> str:
    """Byte order as `struct` writes it: "<" or ">"."""
    return _find_layout(file).order


def _find_layout(file: BinaryIO) -> _Layout:
    file.seek(0)
    head = file.read(4)
    order = "<" if head[:1] == b"I" else ">"
    return _Layout(order, "Q", "HHQQ", "Q") if 43 in head[2:4] else _Layout(order, "H", "HHII", "I")


def _iter_directories(file: BinaryIO) -> Iterator[list[_Entry]]:
    """Tags of each directory, as far as they can be followed."""
    layout = _find_layout(file)
    if layout.offset == "Q":
        file.seek(8)
    wide, seen = struct.calcsize(layout.offset), set[int]()
    place = _read_number(file, layout.order + layout.offset)
    while place and place not in seen:
        seen.add(place)
        file.seek(place)
        count = _read_number(file, layout.order + layout.tally)
        start = file.tell()
        entry = struct.Struct(layout.order + layout.entry)
        data = file.read(entry.size * min(count, MAX_TAGS + 65))
        yield [
            _Entry(tag, kind, number, start + at + entry.size - wide if _fits(kind, number, wide) else offset)
            for at, (tag, kind, number, offset) in zip(
                range(0, len(data), entry.size),
                entry.iter_unpack(data[: len(data) // entry.size * entry.size]),
                strict=False,
            )
        ]
        file.seek(start + len(data))
        place = _read_number(file, layout.order + layout.offset)


def _fits(kind: int, number: int, wide: int) -> bool:
    return _SIZES.get(kind, 1) * number <= wide


def _read_number(file: BinaryIO, form: str) -> int:
    data = file.read(struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else 0


def check_strips(tags: Mapping[int, Any] | None, *, where: str) -> None:
    """Refuse a TIFF page with fewer strips or tiles than its size asks for, or tiles far larger than it.

    tags: numbers or tuples by tag, None for what is no TIFF.
    """
    if tags is None:
        return
    width, height, tiled = _first(tags, 256, 0), _first(tags, 257, 0), 322 in tags
    across, down = _first(tags, 322, width), _first(tags, 323, height)
    rows = min(_first(tags, 278, height), height)
    if tiled and across * down > max(4 * width * height, _SPARE_TILE):
        what = f"the TIFF's tiles of {across} x {down} pixels are far larger than the picture; it was not decoded"
        raise BadImage(what, where=where, fix=_SIMPLER)
    if min(across, down, rows) < 1:
        raise BadImage("the TIFF is damaged: its strips have no pixels", where=where, fix=AGAIN)
    wanted = -(-width // across) * -(-height // down) if tiled else -(-height // rows)
    wanted *= _first(tags, 277, 1) if _first(tags, 284, 1) == 2 else 1
    found = len(find_strips(tags)[0])
    if found < wanted:
        what = f"the TIFF is damaged: it has {found} of {wanted} {'tiles' if tiled else 'strips'}"
        raise BadImage(what, where=where, fix=AGAIN)


def find_strips(tags: Mapping[int, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offsets and lengths of the strips or tiles of a page.

    Early writers gave those of tiles in the tags of strips; Pillow takes those for strips unless they are
    compressed.
    """
    names = (324, 325) if 322 in tags and (324 in tags or _first(tags, 259, 1) == 1) else (273, 279)
    offsets, lengths = (tags.get(name, ()) for name in names)
    return _as_tuple(offsets), _as_tuple(lengths)


def _first(tags: Mapping[int, Any], tag: int, default: int) -> int:
    values = _as_tuple(tags.get(tag, default))
    return int(values[0]) if values else default


def _as_tuple(values: Any) -> tuple[int, ...]:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)
