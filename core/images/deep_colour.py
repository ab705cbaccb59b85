"""Pictures of 16 and 32 bit that Pillow cuts or does not know, decoded by OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from .conversion import find_scale
from .cost import check_map_size, check_memory
from .decoding import Picture
from .formats.tiff_kinds import SIMPLER, UNKNOWN, check_opencv
from .formats.tiff_tags import check_strips, read_tags
from .geometry import Size
from .headers import PngHeader, check_size

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image

    from .formats.jpeg_scans import JpegScans


def read_deep_colour(
    file: BinaryIO, image: Image, structure: PngHeader | JpegScans | None
) -> NDArray[np.uint16] | None:
    """Decode 16-bit colour a second time with OpenCV, because Pillow cuts it to 8 bit; None where that is not so."""
    png = structure if isinstance(structure, PngHeader) else None
    bits: Any = getattr(image, "tag_v2", {}).get(258, ()) if png is None else (png.bits,)
    if image.mode not in ("RGB", "RGBA") or set(bits) != {16}:
        return None
    place = file.tell()
    decoded = _imdecode(file)
    file.seek(place)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        return None
    key = np.frombuffer(png.key, ">u2") if png is not None and len(png.key) == 6 else None
    if key is not None and decoded.shape[2] == 3:
        alpha = np.where((decoded == key).all(axis=-1), 0, 65535).astype(np.uint16)
        return np.dstack([decoded, alpha])
    return decoded


def _imdecode(file: BinaryIO) -> NDArray[Any] | None:
    """Decode with OpenCV as stored, in RGB(A) order; None without OpenCV or when it cannot."""
    try:
        import cv2
    except ImportError:
        return None
    file.seek(0)
    try:
        decoded: NDArray[Any] | None = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if decoded is None or decoded.ndim == 2:
        return decoded
    code = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(decoded.shape[2])
    if code is None:
        return decoded
    if decoded.dtype.name in ("uint8", "uint16", "float32"):
        return cv2.cvtColor(decoded, code, dst=decoded)
    return np.ascontiguousarray(decoded[..., [2, 1, 0, 3][: decoded.shape[2]]])


def check_deep_tiff(file: BinaryIO, where: str, resolution: int | None) -> None:
    """Refuse a TIFF of a kind that Pillow does not know by the size in its first directory. Raises BadImage."""
    tags = read_tags(file)
    size = Size(*(tags.get(tag, (0,))[0] for tag in (257, 256)))
    check_size(size, where=where)
    check_map_size(size, resolution, where=where)
    check_strips(tags, where=where)
    bits = tags.get(258, (8,))
    channels = max(len(bits), tags.get(277, (1,))[0])
    check_memory(size, 2 * max(bits) * channels / 8 + 16, where=where)
    check_opencv(tags, where=where)


def read_tiff(file: BinaryIO, where: str) -> Picture:
    """Read a TIFF of a kind that Pillow does not know (float or 32-bit colour). Raises BadImage."""
    decoded = _imdecode(file)
    if decoded is None or (decoded.ndim == 3 and decoded.shape[2] not in (1, 3)):
        raise BadImage(f"{UNKNOWN}, or it is damaged", where=where, fix=SIMPLER)
    notes: list[str] = []
    grey_or_rgb: NDArray[Any] = decoded
    if decoded.dtype != np.uint8:
        grey_or_rgb = find_scale(decoded.min(), decoded.max(), decoded.dtype, notes, where=where)(decoded)
    if grey_or_rgb.ndim == 2 or grey_or_rgb.shape[2] == 1:
        grey_or_rgb = np.repeat(grey_or_rgb.reshape(*grey_or_rgb.shape[:2], 1), 3, axis=2)
    return Picture(np.ascontiguousarray(grey_or_rgb), None, tuple(notes))
