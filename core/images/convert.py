"""Converts pictures and masks of any kind to one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import BadImage
from .geometry import Size
from .mask_values import Coverage, describe_fit, find_coverage
from .pixels import compute_luminance, lay_over_white, to_8bit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .decoding import Picture
    from .types import Images, Masks

_CHANNELS = (1, 3, 4)


def to_images(x: Any, resolution: int | None = None) -> Images:
    """Make uint8 [B, H, W, 3] RGB of pictures; C-contiguous, and the very same array where x is one already.

    x: a numpy array or torch tensor (any device), a Pillow picture of any mode, the path of a picture file, or a list
    or tuple of those, all of one size.
    Arrays: [H, W] is one grey picture; three dimensions are one picture [H, W, C] with C = 1, 3 or 4; four are
    [B, H, W, C]. Three dimensions with another last one are refused: they could be grey pictures or channels first;
    write [B, H, W, 1] for grey ones. Numbers: uint8, bool, uint16 (0..65535), float (0..1, rounded, never cut).
    RGBA is laid over white. Files and Pillow pictures are brought upright and to sRGB (`core.images.reading`).
    resolution: of the map that is wanted; a file whose map would be refused is refused before it is decoded.
    Raises BadImage.
    """
    if isinstance(x, (list, tuple)):
        return _join_images([to_images(one, resolution) for one in cast("Sequence[Any]", x)])
    if (picture := _read_picture(x, resolution)) is not None:
        return picture.pixels[None]
    stored = _to_channels_last(_to_array(x))
    pixels = to_8bit(stored)
    if pixels.shape[3] == 4:
        pixels = lay_over_white(pixels[..., :3], pixels[..., 3])
    elif pixels.shape[3] == 1:
        pixels = np.repeat(pixels, 3, axis=3)
    return np.ascontiguousarray(pixels)


def to_masks(x: Any, count: int, size: Size) -> Masks:
    """Make bool [count, *size] of masks, true where the picture is to be repainted; see `read_masks`."""
    return read_masks(x, count, size).covered


def read_masks(x: Any, count: int, size: Size) -> Coverage:
    """Make bool [count, *size] of masks, true where the picture is to be repainted, with notes.

    x: as for `to_images`, but three dimensions whose last is not 1, 3 or 4 are masks [B, H, W], and [B, 1, H, W] is
    taken as well. True is: bool as it is, uint8 > 127, uint16 > 32767, float >= 0.5; of exactly two values (0 and 1 of
    any dtype, a colour on black) the higher one, with a note; a mask of nothing or everything is noted (`mask_values`).
    Colour counts by its luminance; the alpha channel of an RGBA mask, when it is not opaque everywhere, counts instead
    of its colour (opaque = true). One mask serves all pictures. A mask of another size is stretched to the pictures',
    with a note where its aspect differs; a pixel is true when at least half of it is.
    Raises BadImage when there are neither one nor count masks.
    """
    from .resize import resize_masks

    whole = isinstance(x, (list, tuple))
    found = [mask for one in (cast("Sequence[Any]", x) if whole else (x,)) for mask in _iter_masks(one)]
    if not (len(found) == count or len(found) == 1 < count):
        raise BadImage(f"{len(found)} masks for {count} pictures", fix="give one mask, or one for each picture")
    notes: list[str] = []
    for number, (covered, about) in enumerate(found, 1):
        which = f"mask {number} of {len(found)}: " if len(found) > 1 else ""
        every = (*about, describe_fit(Size(*covered.shape), size))
        notes.extend(f"{which}{note}" for note in every if note)
    masks = np.concatenate([resize_masks(covered[None], size) for covered, _ in found])
    return Coverage(np.ascontiguousarray(np.repeat(masks, count // len(masks), axis=0)), tuple(notes))


def _join_images(parts: list[Images]) -> Images:
    if not parts:
        raise BadImage("the list of pictures is empty", fix="give at least one picture")
    sizes = sorted({(part.shape[2], part.shape[1]) for part in parts})
    if len(sizes) > 1:
        named = ", ".join(f"{width} x {height}" for width, height in sizes)
        raise BadImage(
            f"the pictures of one batch differ in size: {named}", fix="give them one by one, or resize them first"
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read_picture(x: Any, resolution: int | None = None) -> Picture | None:
    """Read a path, or decode a Pillow picture; None for arrays."""
    if isinstance(x, (str, Path)):
        from .reading import read_pictures

        return read_pictures(x, resolution=resolution)[0]
    if hasattr(x, "getbands") and hasattr(x, "convert"):
        from .reading import decode_pillow

        return decode_pillow(x)
    return None


def _to_array(x: Any) -> NDArray[Any]:
    """View a numpy array or tensor as numpy; tensors are recognised by their methods, torch is not imported."""
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        x = x.detach().cpu()
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    if not isinstance(x, np.ndarray):
        raise BadImage(
            f"{type(x).__name__} is not a picture", fix="give an array, a tensor, a Pillow picture or a path"
        )
    array = cast("NDArray[Any]", x)
    if array.size == 0:
        raise BadImage(f"the array {array.shape} is empty", fix="give at least one picture of at least one pixel")
    return array


def _to_channels_last(array: NDArray[Any]) -> NDArray[Any]:
    """Bring [H, W], [H, W, C] or [B, H, W, C] to [B, H, W, C]."""
    if array.ndim == 2:
        return array[None, :, :, None]
    if array.ndim in (3, 4) and array.shape[-1] in _CHANNELS:
        return array if array.ndim == 4 else array[None]
    if array.ndim == 3:
        fix = "write [H, W, C] for one picture, [B, H, W, 1] for several grey ones"
        raise BadImage(f"an array {array.shape} could be grey pictures or channels first", fix=fix)
    if array.ndim == 4 and array.shape[1] in _CHANNELS:
        raise BadImage(f"the array {array.shape} has its channels first", fix="permute it to [B, H, W, C]")
    raise BadImage(
        f"an array {array.shape} is not a picture", fix="give [H, W], [H, W, C] or [B, H, W, C] with C = 1, 3 or 4"
    )


def _iter_masks(x: Any) -> Iterator[Coverage]:
    """One mask or a batch of masks, each at its own size."""
    if (picture := _read_picture(x)) is not None:
        yield find_picture_coverage(picture, x)
        return
    array = _to_array(x)
    if array.ndim == 3 and array.shape[-1] not in _CHANNELS:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[1] == 1 and array.shape[-1] not in _CHANNELS:
        array = array[:, 0, :, :, None]
    yield from (find_coverage(_to_levels(one)) for one in _to_channels_last(array))


def find_picture_coverage(picture: Picture, source: Any) -> Coverage:
    """Coverage of a mask that was read from source, a path or Pillow picture.

    Transparent parts of its pixels are white already; they do not count, since alpha does. Raises BadImage.
    """
    from .reading import read_deep_levels

    levels = picture.alpha if picture.alpha is not None else compute_luminance(picture.pixels)
    if levels.min() == levels.max() and (deep := read_deep_levels(source)) is not None:
        levels = deep  # 8 bit do not tell 0 and 1 of 16 bit apart
    found = find_coverage(levels)
    if picture.alpha is None or not _has_colours(picture):
        return found
    return Coverage(found.covered, (*found.notes, "its transparency is the mask: what is opaque is repainted"))


def _has_colours(picture: Picture) -> bool:
    """Whether the opaque part of a picture is of several colours, as a photograph with a hole is."""
    opaque = picture.pixels[picture.alpha == 255]
    return opaque.size > 0 and int(np.ptp(opaque, axis=0).max()) > 64


def _to_levels(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers of a mask [H, W, C]."""
    if array.shape[2] == 1:
        return array[..., 0]
    if array.dtype.kind in "iu" and array.dtype.itemsize != 1 and array.min() >= 0 and array.max() <= 255:
        array = array.astype(np.uint8)
    pixels = to_8bit(array)
    if pixels.shape[2] == 4 and not bool((pixels[..., 3] == 255).all()):
        return pixels[..., 3]
    return compute_luminance(pixels)
