"""Fax-coded strips of TIFFs: whether they hold all rows. libtiff leaves missing ones white.

A whole strip does not depend on what follows it: rows that change with it are missing. Source: ITU-T T.4 and T.6.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from PIL import Image as Pil

from ...errors import BadImage
from ..headers import AGAIN
from .tiff_tags import find_strips

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image

COMPRESSIONS = {2, 3, 4}
_GROUP_4 = 4
_MOST_BYTES = 64 << 20
_END_OF_LINE = "000000000001"
_DOTS = "000111010"
"""One white and one black pixel in codes of T.4."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_fax_strips(file: BinaryIO, image: Image, *, where: str) -> None:
    """Raise BadImage where rows of an open fax-coded TIFF are missing; other pictures pass."""
    tags: Any = getattr(image, "tag_v2", {})
    kind = int(tags.get(259, 1))
    if kind not in COMPRESSIONS or 322 in tags:
        return
    place, options = file.tell(), int(tags.get(292, 0))
    height = int(tags.get(257, 0))
    rows = min(int(tags.get(278, height)), height)
    for number, (offset, length) in enumerate(zip(*find_strips(tags), strict=False)):
        file.seek(offset)
        data = file.read(min(length or _MOST_BYTES, _MOST_BYTES))  # libtiff takes 0 for what is left
        data = data.translate(_REVERSED) if tags.get(266) == 2 else data
        size = (int(tags[256]), min(rows, height - number * rows))
        if _decode(data, size, kind, options) != _decode(_continue(data, kind, options), size, kind, options):
            what = "the TIFF is damaged: its data end before the picture does"
            raise BadImage(what, where=where, fix=AGAIN)
    file.seek(place)


def _continue(data: bytes, kind: int, options: int) -> bytes:
    """The strip with other rows in place of its end."""
    bits = bin(int.from_bytes(b"\1" + data[-256:], "big"))[3:]
    mark = _END_OF_LINE + ("1" if kind != _GROUP_4 and options & 1 else "")
    end = bits.rstrip("0")
    while kind != 2 and end.endswith(mark):
        end = end[: -len(mark)].rstrip("0") if kind == 3 else end[: -len(mark)]
    bits = end if len(end) < len(bits.rstrip("0")) else bits
    if kind == _GROUP_4:
        more = "001" + "00110101" + "010" + "1" * 400
    else:
        more = (("" if kind == 2 else mark) + _DOTS * 40) * 10
    bits += more * 4
    bits += "0" * (-len(bits) % 8)
    return data[:-256] + int("1" + bits, 2).to_bytes(1 + len(bits) // 8, "big")[1:]


def _decode(data: bytes, size: tuple[int, int], kind: int, options: int) -> bytes:
    """Rows of one strip, as many as can be decoded."""
    values = {256: size[0], 257: size[1], 258: 1, 259: kind, 262: 0, 273: 134, 277: 1, 278: size[1], 279: len(data)}
    if kind == 3:
        values[292] = options
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items()))
    head = b"II*\0" + struct.pack("<IH", 8, len(values)) + entries
    with Pil.open(io.BytesIO(head.ljust(134, b"\0") + data), formats=["TIFF"]) as strip:
        try:
            strip.load()
        except OSError:
            return b""
        return strip.tobytes()
