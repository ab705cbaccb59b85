"""Codes of run-length coded BMPs: whether they reach the last row. Pillow leaves missing pixels black.

Source: Microsoft, "Bitmap compression" (BI_RLE8, BI_RLE4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..cost import check_memory
from ..geometry import Size
from ..headers import AGAIN

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image

MOST_PIXELS = 16_000_000
"""Pillow decodes those of 4 bits in Python, some 10 million pixels a second."""
_BYTES = 8
"""Bytes a pixel that Pillow holds meanwhile, with the result."""
_MOST_BYTES = 64 << 20


def check_bmp_codes(file: BinaryIO, image: Image, *, where: str) -> None:
    """Raise BadImage where the codes of an open BMP end before its pixels do, or are too many. Others pass."""
    tiles: Any = getattr(image, "tile", ())
    if len(tiles) != 1 or tiles[0][0] != "bmp_rle":
        return
    width, height = image.size
    four = bool(tiles[0][3][1])
    check_memory(Size(height, width), _BYTES, where=where)
    if four and width * height > MOST_PIXELS:
        what = f"the BMP has 4-bit runs and more than {MOST_PIXELS // 10**6} megapixels; it was not decoded"
        raise BadImage(what, where=where, fix="save it as PNG")
    place = file.tell()
    file.seek(tiles[0][2])
    pixels = count_pixels(file.read(_MOST_BYTES), width, height, four=four)
    file.seek(place)
    if pixels < width * height:
        what = f"the BMP is damaged: its data are {100 * pixels // (width * height)} % of what its header promises"
        raise BadImage(what, where=where, fix=AGAIN)


def count_pixels(data: bytes, width: int, height: int, *, four: bool) -> int:
    """Pixels up to where the codes end. Those that a code jumps over count, and so does the rest of a row that ends."""
    at, row, column = 0, 0, 0
    while at + 1 < len(data) and row < height and row * width + column < width * height:
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            column += count
        elif value == 0:
            row, column = row + 1, 0
        elif value == 1:
            return width * height if row == height - 1 and column else row * width + min(column, width)
        elif value == 2:
            if at + 1 >= len(data):
                break
            column, row, at = column + data[at], row + data[at + 1], at + 2
        else:
            size = (value + 1) // 2 if four else value
            if at + size > len(data):
                break
            column, at = column + value, at + size + size % 2
    return min(width * height, row * width + min(column, width))
