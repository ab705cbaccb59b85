"""What is under a mask at first, made of the colours around it: A1111's masked content "fill".

The picture without what is masked is blurred more and more; the strongest blur, which reaches furthest, lies below, the
finer ones on it wherever they have a colour (the radii are A1111's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..request import Pixels

LAYERS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radius of a blur, and how often it is laid on."""


def fill_masked(picture: Pixels, mask: NDArray[np.float32]) -> Pixels:
    """A picture uint8 [H, W, 3] with the colours around a mask [H, W], 0 to 1, under it; black where all is masked."""
    share = np.rint((1 - mask) * 255).astype(np.float32)[..., None] / 255
    visible = np.concatenate([picture * share, share * 255], axis=-1)
    shown = Image.fromarray(np.rint(visible).astype(np.uint8), "RGBA")
    colour: NDArray[Any] = np.zeros((*picture.shape[:2], 4), np.float32)
    for radius, times in LAYERS:
        layer = np.asarray(shown.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        for _ in range(times):
            colour = layer + colour * (1 - layer[..., 3:] / 255)
    opacity = np.maximum(colour[..., 3:], 1e-6) / 255
    return np.rint((colour[..., :3] / opacity).clip(0, 255)).astype(np.uint8)
