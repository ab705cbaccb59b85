"""Pictures in JSON: files in base64. Nothing is fetched, and no path is opened."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import BadImage
from ..core.images.reading import decode_file
from ..core.images.writing import encode_png, encode_values

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

    from ..core.images.reading import Picture

MOST_CHARACTERS = 192 * 2**20
"""Longest base64 text of a picture."""
_DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w=.+-]+)*;base64,")
_SPACES = re.compile(r"\s+")


def read_picture(text: str, where: str, resolution: int | None = None) -> Picture:
    """Decode a picture file from base64 or a data URL. Raises BadImage."""
    if len(text) > MOST_CHARACTERS:
        raise BadImage("the base64 text is too long", where=where, fix="make the picture smaller first")
    start = _DATA_URL.match(text)
    encoded = _SPACES.sub("", text[start.end() if start else 0 :])
    if not encoded:
        raise BadImage("no picture is given", where=where, fix="give a picture file in base64")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        fix = "give the bytes of a picture file in base64; addresses and paths are not read"
        raise BadImage("this is no base64", where=where, fix=fix) from error
    return decode_file(content, where, resolution)


def flatten_picture(text: str, where: str) -> str:
    """The picture as the annotators read it, as a PNG of RGB in base64: upright, sRGB, over white. Raises BadImage."""
    return write_picture(read_picture(text, where).pixels, {})


def write_picture(pixels: NDArray[uint8], info: dict[str, Any]) -> str:
    """PNG of uint8 [H, W, 3] in base64."""
    return base64.b64encode(encode_png(pixels, info)).decode()


def write_values(values: NDArray[float32], info: dict[str, Any]) -> str | None:
    """16-bit grey PNG of [H, W] numbers in base64; None for numbers of several channels."""
    plane = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    return base64.b64encode(encode_values(plane, info)).decode() if plane.ndim == 2 else None


def join_alpha(picture: Picture) -> NDArray[np.uint8]:
    """uint8 [H, W, 3 or 4]: the pixels, with their alpha where something is transparent."""
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
