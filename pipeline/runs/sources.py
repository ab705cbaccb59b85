"""Pictures that a run starts from: read, brought to size, masked, and put back where they were not painted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...core.images.convert import read_masks, to_images
from ...core.images.geometry import Size, plan_fit
from ...core.images.resize import resize_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...core.images.geometry import FitMode
    from ..request import Pixels, Source

    Levels = NDArray[np.float32]


def read_source(source: Source) -> Pixels:
    """A picture as uint8 [H, W, 3]. Raises BadImage."""
    return to_images(source)[0]


def fit_picture(picture: NDArray[Any], size: Size, mode: FitMode) -> NDArray[Any]:
    """Bring [H, W] or [H, W, C] to size: stretched, or covering it with the rest cut off, or inside it with the edge
    repeated around."""
    scaled_size, top, left = plan_fit(Size(*picture.shape[:2]), size, mode)
    scaled = resize_image(picture, scaled_size)
    if mode == "fill":
        below, right = size.height - scaled_size.height - top, size.width - scaled_size.width - left
        around = [(top, below), (left, right)] + [(0, 0)] * (picture.ndim - 2)
        return np.pad(scaled, around, mode="edge")
    return np.ascontiguousarray(scaled[-top : size.height - top, -left : size.width - left])


def read_mask(source: Source, picture: Size, note: Callable[[str], None]) -> NDArray[np.bool_]:
    """A mask of a picture of that size, bool [H, W]: true where it is painted anew. Raises BadImage."""
    found = read_masks(source, 1, picture)
    for text in found.notes:
        note(f"mask: {text}")
    return found.covered[0]


def blur_mask(mask: NDArray[np.bool_], blur: float) -> Levels:
    """A mask [H, W] with soft edges, 0 to 1. blur: standard deviation in pixels, as A1111's mask blur, in its steps."""
    hard = mask.astype(np.uint8) * np.uint8(255)
    if blur <= 0:
        return mask.astype(np.float32)
    import cv2

    reach = 2 * int(2.5 * blur + 0.5) + 1
    across = cv2.GaussianBlur(hard, (reach, 1), blur)  # one direction after the other, rounded between, as A1111
    return np.divide(cv2.GaussianBlur(across, (1, reach), blur), 255, dtype=np.float32)


def shrink_mask(mask: Levels, factor: int) -> Levels:
    """A mask of latents, 0 or 1, resized and rounded as in A1111."""
    size = mask.shape[1] // factor, mask.shape[0] // factor
    levels = Image.fromarray(np.rint(mask * 255).astype(np.uint8)).resize(size)
    return np.around(np.asarray(levels, np.float32) / 255).astype(np.float32)


def put_back(painted: Pixels, original: Pixels, mask: Levels) -> Pixels:
    """The original where the mask is 0, the painted picture where it is 1, between them a mixture."""
    share = mask[..., None]
    return np.rint(painted * share + original * (1 - share)).astype(np.uint8)
