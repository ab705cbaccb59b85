"""Items of AVIF files: whether the coded pictures are as large as their file says. Decoders scale them in silence.

Source: ISO/IEC 14496-12 and 23008-12 (boxes and items), AV1 Bitstream & Decoding Process Specification, section 5.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...errors import BadImage
from ..geometry import Size
from ..headers import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_MAX_META = 16 << 20
_HEAD = 256
_MOST_ZEROS = 256
"""Zeros at the end of coded pictures: encoders write some, preallocated files that were never filled very many."""
_SEQUENCE_HEADER = 1


class _Box(NamedTuple):
    """A box inside another. kind: four letters. data: what follows its head."""

    kind: bytes
    data: bytes


def check_avif(file: BinaryIO, *, where: str) -> None:
    """Compare what the items promise with what they hold, as far as both can be read. Raises BadImage."""
    meta = _read_meta(file)
    properties = _find_properties(meta)
    for item, (offset, length) in _find_places(meta).items():
        own = properties.get(item, ())
        if not any(box.kind == b"av1C" for box in own):
            continue
        file.seek(offset)
        coded = read_coded_size(file.read(min(length, _HEAD)))
        said = next((_read_size(box.data) for box in own if box.kind == b"ispe"), None)
        if coded and said and (said.height > coded.height or said.width > coded.width):
            what = f"the AVIF says {said.width} x {said.height} pixels and holds {coded.width} x {coded.height}"
            raise BadImage(f"{what}: it is damaged", where=where, fix=AGAIN)
        if length > 2 * _MOST_ZEROS:
            file.seek(offset + length - _MOST_ZEROS)
            if not any(file.read(_MOST_ZEROS)):
                raise BadImage("the AVIF is damaged: its data end in zeros", where=where, fix=AGAIN)


def _read_meta(file: BinaryIO) -> bytes:
    file.seek(0)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        skipped = 8
        if length == 1:
            length, skipped = int.from_bytes(file.read(8), "big"), 16
        if head[4:] == b"meta":
            return file.read(min(_MAX_META, length - skipped) if length else _MAX_META)[4:]
        if length < skipped:
            break
        file.seek(length - skipped, 1)
    return b""


def _iter_boxes(data: bytes) -> Iterator[_Box]:
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if length < 8:
            return
        yield _Box(data[at + 4 : at + 8], data[at + 8 : at + length])
        at += length


def _find(data: bytes, kind: bytes) -> bytes:
    return next((box.data for box in _iter_boxes(data) if box.kind == kind), b"")


def _read_size(data: bytes) -> Size:
    return Size(int.from_bytes(data[8:12], "big"), int.from_bytes(data[4:8], "big"))


class _Numbers:
    """Big-endian numbers one after the other; what is missing is 0."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> int:
        """Next whole number of so many bytes."""
        self.at += count
        return int.from_bytes(self.data[self.at - count : self.at], "big")

    def is_left(self) -> bool:
        """Whether there is more."""
        return self.at < len(self.data)


def _find_properties(meta: bytes) -> dict[int, list[_Box]]:
    """Properties of each item."""
    container = _find(meta, b"iprp")
    boxes, numbers = list(_iter_boxes(_find(container, b"ipco"))), _Numbers(_find(container, b"ipma"))
    version, flags = numbers.take(1), numbers.take(3)
    found: dict[int, list[_Box]] = {}
    for _ in range(numbers.take(4)):
        if not numbers.is_left():
            break
        item = numbers.take(4 if version else 2)
        for _ in range(numbers.take(1)):
            index = numbers.take(2) & 0x7FFF if flags & 1 else numbers.take(1) & 0x7F
            if 1 <= index <= len(boxes):
                found.setdefault(item, []).append(boxes[index - 1])
    return found


def _find_places(meta: bytes) -> dict[int, tuple[int, int]]:
    """Offset and length in the file of each item of one extent."""
    numbers = _Numbers(_find(meta, b"iloc"))
    version, _, sizes, more = (numbers.take(count) for count in (1, 3, 1, 1))
    found: dict[int, tuple[int, int]] = {}
    for _ in range(numbers.take(4 if version == 2 else 2)):
        if not numbers.is_left():
            break
        item = numbers.take(4 if version == 2 else 2)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base, extents = numbers.take(more >> 4), []
        for _ in range(numbers.take(2) if numbers.is_left() else 0):
            numbers.take(more & 15 if version else 0)
            extents.append((base + numbers.take(sizes >> 4), numbers.take(sizes & 15)))
        if method == 0 and len(extents) == 1:
            found[item] = extents[0]
    return found


def read_coded_size(data: bytes) -> Size | None:
    """Largest frame that the sequence header at the beginning of AV1 data allows; None without one."""
    at = 0
    while at + 2 < len(data):
        head, at = data[at], at + 1 + (data[at] >> 2 & 1)
        length, shift = 0, 0
        while head & 2 and at < len(data):
            length |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return _read_sequence(_Bits(data[at:]))
        if not head & 2:
            return None
        at += length
    return None


class _Bits:
    """Bits of bytes, the highest first; what is missing is 0."""

    def __init__(self, data: bytes) -> None:
        self.number, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Next bits as a number."""
        self.left -= count
        return self.number >> self.left & ((1 << count) - 1) if self.left >= 0 else 0


def _read_sequence(bits: _Bits) -> Size | None:
    bits.take(4)
    if bits.take(1):
        bits.take(5)
    elif bits.take(1):
        return None  # with timing, which still pictures have no use for
    else:
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(across) + 1, bits.take(down) + 1
    return Size(height, width) if bits.left >= 0 else None
