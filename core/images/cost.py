"""What decoding a picture costs, known from its header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import BadImage
from ..settings import MAX_MEGAPIXELS
from .geometry import Size, find_target_size
from .headers import find_pixel_limit

if TYPE_CHECKING:
    from PIL.Image import Image

    from .formats.jpeg_scans import JpegScans

DEFAULT_PIXELS = 100_000_000
MAX_MEMORY = 512 << 20
"""Bytes that decoding may take with the default limit of pixels; a higher limit allows proportionally more."""
_RESERVE = 24 << 20
_RESULT = 3
_DECODERS = {"WEBP": 13, "AVIF": 10, "HEIF": 10, "JXL": 10, "GIF": 5}
"""Bytes a pixel that decoders hold beside Pillow's picture: canvases, planes of 10 bit, copies."""
DEEP_COLOUR = 16
"""Bytes a pixel of 16-bit colour beside the result: OpenCV's picture, its rows and Pillow's."""


def check_map_size(size: Size, resolution: int | None, *, where: str) -> None:
    """Raise BadImage where the map of a picture of this size would be refused; None: no map is wanted."""
    if resolution is None:
        return
    try:
        find_target_size(size, resolution)
    except BadImage as error:
        raise BadImage(error.what, where=where, fix=error.fix) from error


def check_memory(size: Size, bytes_per_pixel: float, *, where: str) -> None:
    """Raise BadImage for a picture that takes more than MAX_MEMORY to decode."""
    limit = MAX_MEMORY * max(1.0, find_pixel_limit() / DEFAULT_PIXELS)
    needed = size.height * size.width * bytes_per_pixel + _RESERVE
    if needed > limit:
        raise BadImage(
            f"decoding {size.width} x {size.height} pixels of this kind takes {needed / 2**20:.0f} MB, more than "
            f"{limit / 2**20:.0f}; it was not decoded",
            where=where,
            fix=f"make it smaller first, save it as 8-bit PNG or JPEG, or set {MAX_MEGAPIXELS.name} to a larger number",
        )


def check_picture_memory(image: Image, scans: JpegScans | None, *, deep: bool = False, where: str) -> None:
    """Raise BadImage for an open picture that takes more than MAX_MEMORY to decode."""
    stored = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    alpha = int(image.mode[-1:] in "Aa" or "transparency" in image.info or image.mode == "P")
    decoder: float = _DECODERS.get(image.format or "", 0)
    if scans is not None:
        decoder = scans.count_coefficients() * 2
    elif image.format == "TIFF":
        decoder = _measure_strip(image)
    elif deep:
        decoder = DEEP_COLOUR - 4
    check_memory(Size(image.height, image.width), stored + _RESULT + alpha + decoder, where=where)


def _measure_strip(image: Image) -> float:
    """Bytes a pixel of the picture that its largest strip or tile takes."""
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(258, (8,))
    depth = max(bits) * (1 if tags.get(284) == 2 else max(len(bits), int(tags.get(277, 1)))) / 8
    rows = min(int(tags.get(278, image.height)), image.height)
    strip = int(tags.get(322, 0)) * int(tags.get(323, 0)) or rows * image.width
    colour = 0 if max(bits) != 16 or image.mode not in ("RGB", "RGBA") else DEEP_COLOUR - 4
    return max(colour, strip * depth / (image.height * image.width))


def find_bytes_per_pixel(kind: str) -> int:
    """Bytes a pixel that decoding a picture of colours with alpha takes, for formats whose decoder opens a canvas."""
    return _DECODERS.get(kind, 0) + 4 + _RESULT
