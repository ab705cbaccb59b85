"""Rows of PNGs: whether the data hold as many as the header promises. Pillow leaves missing ones black."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..geometry import Size
from ..headers import AGAIN, iter_png_chunks

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image

    from ..headers import PngHeader

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, step across, step down."""
_BLOCK = 1 << 20


def check_png_rows(file: BinaryIO, image: Image, png: PngHeader, *, where: str) -> None:
    """Raise BadImage where rows of a loaded PNG are missing; data are counted only when the picture ends in black."""
    opened: Any = image
    last = opened.im.crop((0, image.height - 1, image.width, image.height))
    if not png.interlaced and not png.animated and any(opened._new(last).tobytes()):
        return
    place = file.tell()
    count_png_rows(file, png, where=where)
    file.seek(place)


def count_png_rows(file: BinaryIO, png: PngHeader, *, where: str) -> None:
    """Unpack the data of every frame as far as its rows go. Raises BadImage for missing ones."""
    frames: list[_Counter] = []
    size, closed = png.size, True
    for kind, data in iter_png_chunks(file, (b"IDAT", b"fdAT", b"fcTL"), where=where):
        if kind == b"fcTL" and len(data) >= 12:
            size, closed = Size(int.from_bytes(data[8:12], "big"), int.from_bytes(data[4:8], "big")), True
        elif kind in (b"IDAT", b"fdAT"):
            if kind == b"IDAT":
                size = png.size
            if closed or not frames:
                frames.append(_Counter(count_png_bytes(size, png), where))
            closed = False
            frames[-1].feed(data if kind == b"IDAT" else data[4:])
    for frame in frames:
        frame.check()


def count_png_bytes(size: Size, png: PngHeader) -> int:
    """Bytes of unpacked rows with their filters."""
    bits = png.bits * _CHANNELS.get(png.colour, 1)
    passes = _PASSES if png.interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        width, height = -(-(size.width - left) // across), -(-(size.height - top) // down)
        if width > 0 and height > 0:
            total += height * (1 + (width * bits + 7) // 8)
    return total


class _Counter:
    """Counts unpacked bytes up to what is wanted."""

    def __init__(self, wanted: int, where: str) -> None:
        self.wanted, self.left, self.where = wanted, wanted, where
        self.stream = zlib.decompressobj()

    def feed(self, data: bytes) -> None:
        """Unpack a part in blocks."""
        try:
            while data and self.left > 0 and not self.stream.eof:
                self.left -= len(self.stream.decompress(data, _BLOCK))
                data = self.stream.unconsumed_tail
        except zlib.error as error:
            raise BadImage(f"the PNG's data are damaged ({error})", where=self.where, fix=AGAIN) from error

    def check(self) -> None:
        """Raise BadImage where bytes are missing."""
        while self.left > 0 and not self.stream.eof and (more := self.stream.decompress(b"", _BLOCK)):
            self.left -= len(more)
        if self.left > 0:
            part = 100 * (self.wanted - self.left) // self.wanted
            what = f"the PNG is damaged: its data are {part} % of what its header promises"
            raise BadImage(what, where=self.where, fix=AGAIN)
