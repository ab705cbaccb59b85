"""Codes of GIFs: whether a frame's data hold as many pixels as it promises. Pillow leaves missing ones as they were.

Source: GIF89a specification, appendix F.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..headers import AGAIN

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image

_MOST_CODES = 4096


def check_gif_pixels(file: BinaryIO, image: Image, tile: Any, *, where: str) -> None:
    """Raise BadImage where pixels of the frame just decoded are missing; counted when its last rows are of one colour.

    tile: Pillow's (decoder, box, offset, (bits, interlaced, ...)) of the frame.
    """
    left, top, right, bottom = tile[1]
    if right <= left or bottom <= top:
        return
    opened: Any = image
    last = opened.im.crop((left, max(top, bottom - 2), right, bottom))
    bounds: Any = opened._new(last).convert("RGBA").getextrema()
    if any(low != high for low, high in bounds) and not tile[3][1]:
        return
    place = file.tell()
    file.seek(tile[2])
    wanted = (right - left) * (bottom - top)
    found = count_pixels(_read_blocks(file), int(tile[3][0]), wanted)
    file.seek(place)
    if found < wanted:
        what = f"the GIF is damaged: its data are {100 * found // wanted} % of what its header promises"
        raise BadImage(what, where=where, fix=AGAIN)


def _read_blocks(file: BinaryIO) -> bytes:
    data = bytearray()
    while length := (file.read(1) or b"\0")[0]:
        data += file.read(length)
    return bytes(data)


def count_pixels(data: bytes, bits: int, wanted: int) -> int:
    """Pixels that LZW codes of a GIF stand for, counted up to wanted. bits: of the first codes less one."""
    clear, found, held, buffer = 1 << bits, 0, 0, 0
    lengths, previous, size = [1] * clear + [0, 0], 0, bits + 1
    for byte in data:
        buffer |= byte << held
        held += 8
        while held >= size:
            code = buffer & ((1 << size) - 1)
            buffer, held = buffer >> size, held - size
            if code == clear:
                del lengths[clear + 2 :]
                previous, size = 0, bits + 1
                continue
            if code == clear + 1 or code > len(lengths) or (code == len(lengths) and not previous):
                return found
            length = lengths[code] if code < len(lengths) else previous + 1
            found += length
            if found >= wanted:
                return wanted
            if previous and len(lengths) < _MOST_CODES:
                lengths.append(previous + 1)
            previous = length
            if len(lengths) + (1 if previous else 0) > 1 << size and size < 12:
                size += 1
    return found
