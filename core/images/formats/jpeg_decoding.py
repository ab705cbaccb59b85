"""Decoding of JPEGs that notices missing data.

libjpeg fills what is missing with grey, and Pillow does not pass on its warnings. Missing data are noticed by what the
decoder does at the end of a scan: after a whole one it skips bytes up to the next marker, otherwise it waits for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..headers import AGAIN

if TYPE_CHECKING:
    from PIL.Image import Image

    from .jpeg_scans import JpegScans

_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
"""Kinds whose decoder does not wait for data; Pillow reads them whole."""
_PAD = b"\xff\x00"
"""One byte of ones, which no Huffman code is, and which a decoder between scans skips."""
_SETTLE, _TRIES = 12, 9
"""Bytes that a decoder looks ahead at most, and more than it holds at a time."""
_MOST_RESTARTS = 4096
_BLOCK = 1 << 20


def load_jpeg(image: Image, data: bytes, scans: JpegScans, *, where: str) -> None:
    """Decode an open JPEG from its bytes into the Pillow picture. Raises BadImage where a scan's data end early."""
    from PIL import Image as Pil

    opened: Any = image
    if scans.frame in _ARITHMETIC or len(opened.tile) != 1 or opened.tile[0][0] != "jpeg":
        image.load()
        return
    name, extents, _, args = opened.tile[0]
    opened.load_prepare()
    decoder: Any = Pil._getdecoder(image.mode, name, args, opened.decoderconfig)  # pyright: ignore[reportPrivateUsage]
    try:
        decoder.setimage(opened.im, extents)
        _feed(decoder, data, scans.ends, where)
    finally:
        decoder.cleanup()
    opened.tile = []
    opened.load_end()
    image.load()


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
                what = "the JPEG is damaged: its data end before the picture does"
                raise BadImage(what, where=where, fix=AGAIN)
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
