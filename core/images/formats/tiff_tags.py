"""Directories of TIFFs, read before Pillow reads them: how many, how long, and whether all strips are there."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadImage
from ..headers import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from PIL.Image import Image

MAX_PAGES = 4096
MAX_TAGS = 4096
MAX_TAG_BYTES = 64 << 20
_SPARE_TILE = 1 << 20
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SIMPLER = "save the picture again as an ordinary TIFF or PNG"


class _Layout(NamedTuple):
    """Classic or BigTIFF, in either byte order."""

    order: str
    tally: str
    entry: str
    offset: str


def check_tiff(file: BinaryIO, *, where: str) -> None:
    """Walk the directories of a TIFF. Raises BadImage where their tags hold more than a picture needs."""
    pages, tags, held = 0, 0, 0
    for entries in _iter_directories(file):
        pages, tags = pages + 1, tags + len(entries)
        held += sum(entries)
        if pages > MAX_PAGES or tags > MAX_TAGS + 64 * pages or held > MAX_TAG_BYTES:
            what = f"the TIFF's directories hold {tags} tags of {held} bytes on {pages} pages or more; not decoded"
            raise BadImage(what, where=where, fix=_SIMPLER)


def _iter_directories(file: BinaryIO) -> Iterator[list[int]]:
    """Sizes of the tags of each directory, as far as they can be followed."""
    file.seek(0)
    head = file.read(16)
    order, large = "<" if head[:1] == b"I" else ">", 43 in head[2:4]
    layout = _Layout(order, "Q", "HHQ8x", "Q") if large else _Layout(order, "H", "HHI4x", "I")
    start, seen = 8 if large else 4, set[int]()
    place = _unpack(head[start:], layout.order + layout.offset)
    while place and place not in seen:
        seen.add(place)
        file.seek(place)
        count = _unpack(file.read(struct.calcsize(layout.order + layout.tally)), layout.order + layout.tally)
        entry = struct.Struct(layout.order + layout.entry)
        data = file.read(entry.size * min(count, MAX_TAGS + 65))
        whole = data[: len(data) // entry.size * entry.size]
        yield [_SIZES.get(kind, 1) * number for _, kind, number in entry.iter_unpack(whole)]
        place = _unpack(file.read(struct.calcsize(layout.order + layout.offset)), layout.order + layout.offset)


def _unpack(data: bytes, form: str) -> int:
    size = struct.calcsize(form)
    return int(struct.unpack(form, data[:size])[0]) if len(data) >= size else 0


def check_strips(image: Image, *, where: str) -> None:
    """Refuse an open TIFF page with fewer strips or tiles than its size asks for, or tiles far larger than it."""
    tags: Any = getattr(image, "tag_v2", None)
    if tags is None:
        return
    width, height, tiled = int(tags.get(256, 0)), int(tags.get(257, 0)), 322 in tags
    across, down = int(tags.get(322, width)), int(tags.get(323, height))
    rows = min(int(tags.get(278, height)), height)
    if tiled and across * down > max(4 * width * height, _SPARE_TILE):
        what = f"the TIFF's tiles of {across} x {down} pixels are far larger than the picture; it was not decoded"
        raise BadImage(what, where=where, fix=_SIMPLER)
    if min(across, down, rows) < 1:
        raise BadImage("the TIFF is damaged: its strips have no pixels", where=where, fix=AGAIN)
    wanted = -(-width // across) * -(-height // down) if tiled else -(-height // rows)
    wanted *= int(tags.get(277, 1)) if tags.get(284) == 2 else 1
    found = len(tags.get(324 if tiled else 273, ()))
    if found < wanted:
        what = f"the TIFF is damaged: it has {found} of {wanted} {'tiles' if tiled else 'strips'}"
        raise BadImage(what, where=where, fix=AGAIN)
