"""Decoding of JPEGs that notices missing data.

libjpeg fills what is missing with grey, and Pillow does not pass on its warnings. Missing data are noticed by what the
decoder does at the end of a scan: after a whole one it skips bytes up to the next marker, otherwise it waits for more.
It also looks ahead, so that the last bytes are missed only by a second run with other bits in their place: a whole
picture does not depend on them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..headers import AGAIN
from .jpeg_scans import ARITHMETIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from .jpeg_scans import JpegScans

_PAD = b"\xff\x00"
"""One byte of ones, which no Huffman code is, and which a decoder between scans skips."""
_FILL = bytes.fromhex("6db6db" * 8)
"""Bits without two zeros, three ones or 1010 in a row: rarely the end of a block, as ones and zeros often are."""
_SETTLE, _TRIES = 12, 9
"""Bytes that a decoder looks ahead at most, and more than it holds at a time."""
_MOST_RESTARTS = 4096
_LAST_ROWS = 64
_BLOCK = 1 << 20
_STRIP = 256
_CUT = "the JPEG is damaged: its data end before the picture does"


def load_jpeg(image: Image, data: bytes, scans: JpegScans, *, where: str) -> None:
    """Decode an open JPEG from its bytes into the Pillow picture. Raises BadImage where a scan's data end early."""
    opened: Any = image
    if scans.frame in ARITHMETIC or len(opened.tile) != 1 or opened.tile[0][0] != "jpeg":
        image.load()
        return
    tile = opened.tile[0]
    opened.load_prepare()
    _run(opened, tile, lambda decoder: _feed(decoder, data, scans.ends, where))
    filled = _sum_pixels(opened, scans)
    _run(opened, tile, lambda decoder: _feed_all(decoder, _fill_ends(data, scans.ends)))
    if _sum_pixels(opened, scans) != filled:
        raise BadImage(_CUT, where=where, fix=AGAIN)
    opened.tile = []
    opened.load_end()
    image.load()


def _run(opened: Any, tile: Any, feed: Callable[[Any], None]) -> None:
    from PIL import Image as Pil

    name, extents, _, args = tile
    decoder: Any = Pil._getdecoder(opened.mode, name, args, opened.decoderconfig)  # pyright: ignore[reportPrivateUsage]
    try:
        decoder.setimage(opened.im, extents)
        feed(decoder)
    finally:
        decoder.cleanup()


def _sum_pixels(opened: Any, scans: JpegScans) -> int:
    """Checksum of the rows that the bits after a scan or restart interval may reach."""
    bottom = opened.height
    top = max(0, bottom - _LAST_ROWS) if len(scans.ends) == 1 else 0
    total = 0
    for row in range(top, bottom, _STRIP):
        strip = opened.im.crop((0, row, opened.width, min(bottom, row + _STRIP)))
        total = zlib.crc32(opened._new(strip).tobytes(), total)
    return total


def _fill_ends(data: bytes, ends: list[int]) -> bytes:
    """The same data with other bits after each scan and restart interval."""
    parts = (data[start:end] for start, end in zip((0, *ends), (*ends, len(data)), strict=True))
    return _FILL.join(parts)


def _feed_all(decoder: Any, data: bytes) -> None:
    left = b""
    for start in range(0, len(data), _BLOCK):
        left, done = _decode(decoder, left + data[start : start + _BLOCK])
        if done:
            return


def _feed(decoder: Any, data: bytes, ends: list[int], where: str) -> None:
    left, at = b"", 0
    for end in ends if len(ends) <= _MOST_RESTARTS else ends[-1:]:
        for start in range(at, end, _BLOCK):
            left, done = _decode(decoder, left + data[start : min(end, start + _BLOCK)])
            if done:
                return
        at = end
        for number in range(_SETTLE + _TRIES):
            left, done = _decode(decoder, left + _PAD)
            if done:
                return
            if left and number >= _SETTLE:
                raise BadImage(_CUT, where=where, fix=AGAIN)
    if not _decode(decoder, left + b"\xff\xd9")[1]:
        raise BadImage("the JPEG is cut off: its data end before the picture does", where=where, fix=AGAIN)


def _decode(decoder: Any, data: bytes) -> tuple[bytes, bool]:
    """What the decoder left over, and whether it has ended. Raises OSError."""
    count, code = decoder.decode(data)
    if count >= 0:
        return data[count:], False
    if code < 0:
        raise OSError(f"decoder error {code}")
    return b"", True
