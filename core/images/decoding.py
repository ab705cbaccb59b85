"""Pillow's pictures of every mode to sRGB arrays.

Order: numbers to 8 bit, embedded colour profile to sRGB, transparency over white, EXIF orientation.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from .pixels import apply_orientation, check_unit_range, lay_over_white, stretch_range, to_8bit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

ORIENTATION = 0x0112
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAME = 2
"""A profile that moves no colour by more levels than this is taken for sRGB and left alone."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    pixels: uint8 [H, W, 3] sRGB, upright, transparency laid over white. alpha: uint8 [H, W], None when nothing is
    transparent. notes: what the user should know (first frame only, profile ignored, ...). orientation: EXIF value, 1
    to 8, by which the stored picture was turned.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    orientation: int = 1


def decode(image: Image, *, deep: NDArray[np.uint16] | None = None, where: str = "") -> Picture:
    """Decode the current frame of a Pillow picture; the picture object is only loaded, never changed.

    deep: the same frame as uint16 [H, W, 3 or 4], for colour of 16 bit, which Pillow cuts to 8; used when it agrees.
    Raises BadImage, or what Pillow raises while decoding.
    """
    notes: list[str] = []
    orientation, turned_by = _read_orientation(image, notes), find_orientation(image)
    image.load()
    colour, alpha = _split_deep_alpha(image, notes, where) if is_deep(image) else _split_alpha(image)
    pixels = _to_srgb(colour, image.info.get("icc_profile"), notes)
    if deep is not None:
        pixels, alpha = _refine_colours(pixels, alpha, deep)
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    upright = np.ascontiguousarray(apply_orientation(lay_over_white(pixels, alpha), orientation))
    turned = None if alpha is None else np.ascontiguousarray(apply_orientation(alpha, orientation))
    return Picture(upright, turned, tuple(notes), turned_by)


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


def is_deep(image: Image) -> bool:
    """Whether a picture is grey with 16 or 32 bit."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _split_deep_alpha(image: Image, notes: list[str], where: str) -> tuple[Image, NDArray[np.uint8] | None]:
    from PIL import Image as Pil

    values: NDArray[Any] = np.asarray(image)
    key = image.info.get("transparency")
    alpha = np.where(values == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
    return Pil.fromarray(deep_to_8bit(values, notes, where=where)), alpha


def deep_to_8bit(values: NDArray[Any], notes: list[str], *, where: str = "") -> NDArray[np.uint8]:
    """Bring 16-bit, 32-bit and float numbers of a file to 8 bit.

    Integers in 0..65535 are 16-bit grey, floats in 0..1 are taken as they are; anything else is stretched from its
    minimum to its maximum, with a note. Raises BadImage for NaN and infinities.
    """
    low, high = values.min(), values.max()
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        return to_8bit(values.astype(np.uint16))
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return to_8bit(values)
    if not (np.isfinite(low) and np.isfinite(high)):
        check_unit_range(values, where=where)
    notes.append(f"values from {low:g} to {high:g} were stretched to the full range")
    return to_8bit(stretch_range(values))


def _has_alpha(image: Image) -> bool:
    palette = image.palette
    if image.mode == "P" and palette is not None and palette.mode == "RGBA":
        return True
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _split_alpha(image: Image) -> tuple[Image, NDArray[np.uint8] | None]:
    grey = image.mode in ("1", "L", "LA", "La")
    if not _has_alpha(image) or image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        keep = "L" if grey else image.mode if image.mode in ("CMYK", "LAB") else "RGB"
        return (image if image.mode == keep else image.convert(keep)), None
    straight = image.convert("LA") if image.mode == "La" else image
    rgba = straight.convert("RGBA")
    return rgba.convert("L" if grey else "RGB"), np.asarray(rgba.getchannel("A"))


def _refine_colours(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, deep: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Replace colours cut to 8 bit by rounded ones, where both decoders saw the same and no profile moved it."""
    if deep.shape[:2] != pixels.shape[:2] or not np.array_equal(deep[..., :3] >> 8, pixels):
        return pixels, alpha
    return to_8bit(deep[..., :3]), to_8bit(deep[..., 3]) if deep.shape[2] == 4 else alpha


def _to_srgb(colour: Image, profile: bytes | None, notes: list[str]) -> NDArray[np.uint8]:
    from PIL import ImageCms

    try:
        if colour.mode == "LAB":
            return _apply_profile(colour, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
        if profile:
            colour, source = _match_profile(colour, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
            return _apply_profile(colour, source)
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError) as error:
        if colour.mode == "LAB":
            raise BadImage("Lab colours need Pillow's ImageCms", fix="save the picture as RGB") from error
        notes.append(f"the embedded colour profile was ignored ({error})")
    if colour.mode == "CMYK":
        notes.append("CMYK without a usable colour profile: colours are approximate")
    return np.asarray(colour.convert("RGB"))


def _match_profile(colour: Image, source: ImageCmsProfile) -> tuple[Image, ImageCmsProfile]:
    profile: Any = source.profile
    space: str = profile.xcolor_space.strip()
    mode = _PROFILE_MODES.get(space)
    if mode == "RGB" and colour.mode == "L":
        return colour.convert("RGB"), source
    if mode != colour.mode:
        raise ValueError(f"it is for {space}, the picture is {colour.mode}")
    return colour, source


def _apply_profile(colour: Image, source: ImageCmsProfile) -> NDArray[np.uint8]:
    from PIL import Image as Pil
    from PIL import ImageCms

    target = ImageCms.createProfile("sRGB")
    move = ImageCms.buildTransform(source, target, colour.mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    if colour.mode == "RGB":
        steps = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(9, 81, 3)
        moved: NDArray[np.uint8] = np.asarray(ImageCms.applyTransform(Pil.fromarray(cube), move))
        if int(np.abs(moved.astype(np.int16) - cube).max()) <= _SAME:
            return np.asarray(colour)
    moved_picture = ImageCms.applyTransform(colour, move)
    if moved_picture is None:
        raise ValueError("it could not be applied")
    return np.asarray(moved_picture)
