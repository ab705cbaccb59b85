"""What is under a mask at first, made of the colours around it: A1111's masked content "fill".

The picture without what is masked is blurred more and more; the strongest blur, which reaches furthest, lies below, the
finer ones on it wherever they have a colour (the radii are A1111's). All levels are whole numbers, as in A1111:
rounding shows where little of a colour is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..request import Pixels

LAYERS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radius of a blur, and how often it is laid on."""


def fill_masked(picture: Pixels, mask: NDArray[np.float32]) -> Pixels:
    """A picture uint8 [H, W, 3] with the colours around a mask [H, W], 0 to 1, under it; black where all is masked."""
    share = np.rint((1 - mask) * 255).astype(np.uint8)[..., None]
    colours = np.rint(picture * (share / np.float32(255))).astype(np.uint8)
    # "RGBa" is Pillow's name for colours that are multiplied by their opacity already
    shown = Image.frombytes("RGBa", share.shape[1::-1], np.concatenate([colours, share], axis=-1).tobytes())
    below = Image.new("RGBA", shown.size)
    for radius, times in LAYERS:
        layer = shown.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            below = Image.alpha_composite(below, layer)
    return np.array(below.convert("RGB"))
