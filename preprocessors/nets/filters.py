"""Small filters shared by the annotators without weights. Imported lazily (needs numpy and OpenCV)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...core.annotator import Values


def each(pictures: NDArray[Any], make: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Apply a filter of one picture to every picture of a batch and stack the results."""
    return np.stack([make(picture) for picture in pictures])


def gaussian(picture: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Gaussian blur of [H, W, C] with a kernel as wide as OpenCV chooses and mirrored borders; sigma in pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def darkness(fine: Values, coarse: Values) -> Values:
    """How much a pixel is darker than its surroundings in every channel, float32 [H, W], 0..255.

    fine and coarse are float32 [H, W, 3]; the channel with the smallest difference decides.
    """
    return np.clip((coarse - fine).min(axis=-1), 0, 255)
