"""Numbers of loaded Pillow pictures to sRGB arrays, in tiles, so that intermediate results stay small."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from .pixels import apply_orientation, check_unit_range, lay_over_white, to_8bit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

    U8 = NDArray[np.uint8]
    Split = tuple[Image, "U8 | None"]

_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAME = 2
"""A profile that moves no colour by more levels than this is taken for sRGB and left alone."""
TILE_PIXELS = 1 << 18
_TILE_WIDTH = 1 << 16


def convert_pixels(
    image: Image, notes: list[str], orientation: int, *, deep: NDArray[np.uint16] | None, where: str
) -> tuple[U8, U8 | None]:
    """Pixels uint8 [H, W, 3] sRGB over white and alpha uint8 [H, W] or None of a loaded picture, turned upright.

    deep: colours of 16 bit, used when they agree. Raises BadImage.
    """
    split = _find_split(image, notes, where)
    colours, with_alpha = _Colours(image.info.get("icc_profile"), notes), _has_alpha(image)
    if deep is not None:
        deep = _agreeing(image, deep, split, colours)
        with_alpha |= deep is not None and deep.shape[2] == 4
    turned = (image.width, image.height) if orientation in (5, 6, 7, 8) else (image.height, image.width)
    pixels = np.empty((*turned, 3), np.uint8)
    alpha = np.empty(turned, np.uint8) if with_alpha else None
    stored, stored_alpha = _view_as_stored(pixels, orientation), None
    if alpha is not None:
        stored_alpha = _view_as_stored(alpha, orientation)
    for rows, columns, tile in _iter_tiles(image):
        colour, cover = split(tile)
        levels = colours.convert(colour)
        if deep is not None:
            levels = to_8bit(deep[rows, columns, :3])
            cover = to_8bit(deep[rows, columns, 3]) if deep.shape[2] == 4 else cover
        stored[rows, columns] = lay_over_white(levels, cover)
        if stored_alpha is not None:
            stored_alpha[rows, columns] = 255 if cover is None else cover
    return pixels, None if alpha is None or int(alpha.min()) == 255 else alpha


def _view_as_stored(upright: Any, orientation: int) -> Any:
    """View an upright array as its file stores it; turning by a quarter is undone by the other one."""
    return apply_orientation(upright, {6: 8, 8: 6}.get(orientation, orientation))


def _iter_tiles(image: Image) -> Iterator[tuple[slice, slice, Image]]:
    opened: Any = image
    width = min(image.width, _TILE_WIDTH)
    height = max(1, TILE_PIXELS // width)
    for top in range(0, image.height, height):
        for left in range(0, image.width, width):
            right, bottom = min(image.width, left + width), min(image.height, top + height)
            whole = (right - left, bottom - top) == image.size
            tile = image if whole else opened._new(opened.im.crop((left, top, right, bottom)))
            yield slice(top, bottom), slice(left, right), tile


def _agreeing(
    image: Image, deep: NDArray[np.uint16], split: Callable[[Image], Split], colours: _Colours
) -> NDArray[np.uint16] | None:
    """Colours that are cut to 8 bit in the picture, where both decoders saw the same and no profile moved them."""
    if deep.shape[:2] != (image.height, image.width):
        return None
    same = all(
        np.array_equal(deep[rows, columns, :3] >> 8, colours.convert(split(tile)[0]))
        for rows, columns, tile in _iter_tiles(image)
    )
    return deep if same else None


def is_deep(image: Image) -> bool:
    """Whether a picture is grey with 16 or 32 bit."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _find_split(image: Image, notes: list[str], where: str) -> Callable[[Image], Split]:
    if not is_deep(image):
        return _split_alpha
    low, high, kind = 0.0, 0.0, np.dtype(np.uint8)
    for number, (_, _, tile) in enumerate(_iter_tiles(image)):
        values: NDArray[Any] = np.asarray(tile)
        bounds, kind = (values.min(), values.max()), values.dtype
        low, high = bounds if number == 0 else (min(low, bounds[0]), max(high, bounds[1]))
        if np.isnan(bounds[0]):
            check_unit_range(values, where=where)
    scale = find_scale(low, high, kind, notes, where=where)

    def split_deep(tile: Image) -> Split:
        from PIL import Image as Pil

        values, key = np.asarray(tile), image.info.get("transparency")
        alpha = np.where(values == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
        return Pil.fromarray(scale(values)), alpha

    return split_deep


def find_scale(
    low: Any, high: Any, dtype: np.dtype[Any], notes: list[str], *, where: str = ""
) -> Callable[[NDArray[Any]], U8]:
    """How numbers of 16 bit, 32 bit or float from low to high become 8 bit.

    Integers in 0..65535 are 16-bit grey, floats in 0..1 are taken as they are; anything else is stretched from its
    minimum to its maximum, with a note. Raises BadImage for NaN and infinities.
    """
    if dtype.kind in "iu" and low >= 0 and high <= 65535:
        return lambda values: to_8bit(values.astype(np.uint16))
    if dtype.kind == "f" and low >= 0 and high <= 1:
        return to_8bit
    if not (np.isfinite(low) and np.isfinite(high)):
        check_unit_range(np.array([low, high]), where=where)
    notes.append(f"values from {low:g} to {high:g} were stretched to the full range")
    span = float(high) - float(low)
    return lambda values: to_8bit(
        (values.astype(np.float64) - float(low)) / span if span > 0 else np.zeros(values.shape)
    )


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


class _Colours:
    """What brings colours to sRGB: the embedded profile where it can be used, found once for all tiles."""

    def __init__(self, profile: bytes | None, notes: list[str]) -> None:
        self.profile, self.notes = profile, notes
        self.transforms: dict[str, Any] = {}

    def convert(self, colour: Image) -> U8:
        """Pixels uint8 [H, W, 3]. Raises BadImage."""
        from PIL import ImageCms

        try:
            if colour.mode == "LAB":
                return self._apply(colour, lambda: ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
            if self.profile:
                data = self.profile
                return self._apply(colour, lambda: ImageCms.ImageCmsProfile(io.BytesIO(data)))
        except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError) as error:
            if colour.mode == "LAB":
                raise BadImage("Lab colours need Pillow's ImageCms", fix="save the picture as RGB") from error
            self.profile = None
            self.notes.append(f"the embedded colour profile was ignored ({error})")
        if colour.mode == "CMYK":
            self.notes.append("CMYK without a usable colour profile: colours are approximate")
        return np.asarray(colour.convert("RGB"))

    def _apply(self, colour: Image, read: Callable[[], ImageCmsProfile]) -> U8:
        if colour.mode not in self.transforms:
            source = read()
            mode = colour.mode if colour.mode == "LAB" else _match_mode(colour.mode, source)
            self.transforms[colour.mode] = mode, _build_transform(source, mode)
        mode, transform = self.transforms[colour.mode]
        matched = colour if colour.mode == mode else colour.convert(mode)
        return np.asarray(matched) if transform is None else _transform(matched, transform)


def _match_mode(mode: str, source: ImageCmsProfile) -> str:
    profile: Any = source.profile
    space: str = profile.xcolor_space.strip()
    wanted = _PROFILE_MODES.get(space)
    if wanted == "RGB" and mode == "L":
        return wanted
    if wanted is None or wanted != mode:
        raise ValueError(f"it is for {space}, the picture is {mode}")
    return wanted


def _build_transform(source: ImageCmsProfile, mode: str) -> Any:
    """Transform to sRGB; None where it would change nothing."""
    from PIL import Image as Pil
    from PIL import ImageCms

    target = ImageCms.createProfile("sRGB")
    move = ImageCms.buildTransform(source, target, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    if mode == "RGB":
        steps = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(9, 81, 3)
        if int(np.abs(_transform(Pil.fromarray(cube), move).astype(np.int16) - cube).max()) <= _SAME:
            return None
    return move


def _transform(colour: Image, move: Any) -> U8:
    from PIL import ImageCms

    moved = ImageCms.applyTransform(colour, move)
    if moved is None:
        raise ValueError("it could not be applied")
    return np.asarray(moved)
