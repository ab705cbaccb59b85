"""Pictures and masks brought to the size that is painted, pixel for pixel as A1111 does it: Lanczos by Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from ...core.images.geometry import FitMode, Size

LANCZOS = Image.Resampling.LANCZOS


def fit_levels(levels: NDArray[uint8], size: Size, mode: FitMode) -> NDArray[uint8]:
    """Bring uint8 [H, W] or [H, W, 3] to size.

    Stretched ("just"), covering it with the rest cut off ("crop"), or inside it with its edges continued around
    ("fill"). Sides are rounded down, as in A1111.
    """
    height, width = levels.shape[:2]
    if (height, width) == tuple(size):
        return levels
    if mode == "just":
        return resize_levels(levels, size.width, size.height)
    wider = size.width * height > width * size.height
    by_width = wider if mode == "crop" else size.width * height < width * size.height
    by_height = not wider if mode == "crop" else not by_width
    across = size.width if by_width else width * size.height // height
    down = size.height if by_height else height * size.width // width
    scaled = resize_levels(levels, across, down)
    left, top = size.width // 2 - across // 2, size.height // 2 - down // 2
    return _place(scaled, size, left, top)


def fit_mask(mask: NDArray[np.float32], size: Size, mode: FitMode) -> NDArray[np.float32]:
    """The same of a mask [H, W], 0 to 1, in steps of 1/255 as A1111 keeps it."""
    levels = np.rint(mask * 255).astype(np.uint8)
    return np.divide(fit_levels(np.ascontiguousarray(levels), size, mode), 255, dtype=np.float32)


def _place(scaled: NDArray[uint8], size: Size, left: int, top: int) -> NDArray[uint8]:
    """The part of a picture that lies within size; where it does not reach, what its edges lead to."""
    inside = scaled[max(-top, 0) : size.height - top, max(-left, 0) : size.width - left]
    above, before = max(top, 0), max(left, 0)
    below, behind = size.height - above - inside.shape[0], size.width - before - inside.shape[1]
    first, last = _continue_edge(inside), _continue_edge(inside[::-1])
    tall = np.concatenate([np.repeat(first, above, 0), inside, np.repeat(last, below, 0)])
    left_edge, right_edge = (_continue_edge(part.swapaxes(0, 1)).swapaxes(0, 1) for part in (tall, tall[:, ::-1]))
    return np.concatenate([np.repeat(left_edge, before, 1), tall, np.repeat(right_edge, behind, 1)], axis=1)


def _continue_edge(levels: NDArray[uint8]) -> NDArray[uint8]:
    """The row before the first: A1111 resizes an empty box there, for which Pillow's bicubic kernel has two weights."""
    near, far = levels[:1].astype(np.float32), levels[1:2].astype(np.float32) if len(levels) > 1 else levels[:1]
    return np.floor(near * 1.125 - far * 0.125 + 0.5).clip(0, 255).astype(np.uint8)


def resize_levels(levels: NDArray[Any], width: int, height: int) -> NDArray[uint8]:
    """Resize uint8 [H, W] or [H, W, 3] by Lanczos."""
    return np.array(Image.fromarray(levels).resize((max(width, 1), max(height, 1)), LANCZOS))
