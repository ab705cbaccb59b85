"""Pictures as hosts hand them over: arrays of whatever mode a file had, alpha in the last channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..images.convert import to_images
from ..images.mask_values import find_coverage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images.types import Images, Masks


class RawPicture(NamedTuple):
    """images: uint8 [1, H, W, 3]; masks: bool [1, H, W], or None."""

    images: Images
    masks: Masks | None


def read_raw_picture(array: Any, mask: Any = None, *, takes_mask: bool = False) -> RawPicture:
    """Read an array [H, W] or [H, W, C] with C = 1 (grey), 2 (grey, alpha), 3 or 4 (RGB, alpha).

    mask: [H, W] or [H, W, C] of a host that hands it over apart. Where a mask is taken and none is apart, alpha is the
    mask (opaque = to be repainted) and the colours stay; elsewhere the picture is laid over white. Levels of 0 and 1
    alone, as of a two-colour file, are black and white. Raises BadImage.
    """
    pixels = np.asarray(array)
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        pixels = np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
    has_alpha = pixels.ndim == 3 and pixels.shape[2] == 4
    if pixels.dtype == np.uint8 and not has_alpha and pixels.size and pixels.max() == 1:
        pixels = pixels.astype(bool)
    if not takes_mask:
        return RawPicture(to_images(pixels), None)
    if mask is None and has_alpha:
        mask = pixels[..., 3]
    images = to_images(pixels[..., :3] if has_alpha else pixels)
    return RawPicture(images, None if mask is None else _read_mask(np.asarray(mask)))


def _read_mask(mask: NDArray[Any]) -> Masks:
    """Mask [1, H, W] of the first channel."""
    return find_coverage(mask if mask.ndim == 2 else mask[..., 0]).covered[None]
