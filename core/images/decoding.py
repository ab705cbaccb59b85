"""Pillow's pictures of every mode to sRGB arrays.

Order: numbers to 8 bit, embedded colour profile to sRGB, transparency over white, EXIF orientation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conversion import convert_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    pixels: uint8 [H, W, 3] sRGB, upright, transparency laid over white. alpha: uint8 [H, W], None when nothing is
    transparent. notes: what the user should know (first frame only, profile ignored, ...). orientation: EXIF value, 1
    to 8, by which the stored picture was turned. milliseconds: for which an animation shows it, or 0.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    orientation: int = 1
    milliseconds: float = 0


def decode(
    image: Image, turns: tuple[int, int], notes: list[str], *, deep: NDArray[np.uint16] | None = None, where: str = ""
) -> Picture:
    """Decode the current frame of a Pillow picture; the picture object is only loaded, never changed.

    turns: what `find_turns` said before the picture was loaded. deep: the same frame as uint16 [H, W, 3 or 4], for
    colour of 16 bit, which Pillow cuts to 8; used when it agrees. Raises BadImage and what Pillow raises.
    """
    image.load()
    pixels, alpha = convert_pixels(image, notes, turns[0], deep=deep, where=where)
    return Picture(pixels, alpha, tuple(dict.fromkeys(notes)), turns[1])


def find_turns(image: Image, notes: list[str]) -> tuple[int, int]:
    """EXIF orientation by which we turn a picture that is not loaded yet, and by which it is turned in all."""
    return _read_orientation(image, notes), find_orientation(image)


def _read_orientation(image: Image, notes: list[str]) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns these itself while loading
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error) as error:
        notes.append(f"the EXIF data is damaged and was ignored ({error})")
        return 1
    return value if isinstance(value, int) else 1


def find_orientation(image: Image) -> int:
    """EXIF orientation of a picture that is not loaded yet, also where a decoder applies it itself; 1 without one."""
    tags: Any = getattr(image, "tag_v2", None)
    try:
        value = image.info.get("original_orientation") or (
            tags.get(ORIENTATION, 1) if tags is not None else image.getexif().get(ORIENTATION, 1)
        )
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
