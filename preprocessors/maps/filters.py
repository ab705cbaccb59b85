"""Small filters shared by the annotators without weights. Needs numpy and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...core.images.types import Values


MIDDLE = 127
"""Level that the median line of standard line art gets."""
FAINTEST_MEDIAN = 16
"""A median below this does not amplify further, so that flat pictures stay black."""


def apply_each(pictures: NDArray[Any], make: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Apply a filter of one picture to every picture of a batch and stack the results."""
    return np.stack([make(picture) for picture in pictures])


def gaussian_blur(picture: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Gaussian blur of [H, W, C] with a kernel as wide as OpenCV chooses and mirrored borders; sigma in pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def compute_darkness(fine: Values, coarse: Values) -> Values:
    """How much a pixel is darker than its surroundings in every channel, float32 [H, W], 0..255.

    fine and coarse are float32 [H, W, 3]; the channel with the smallest difference decides.
    """
    return np.clip((coarse - fine).min(axis=-1), 0, 255)


def extract_standard_lines(picture: NDArray[np.uint8], sigma: float, threshold: float) -> Values:
    """Lines of a drawing, levels float32 [H, W] in 0..255, of uint8 [H, W, 3].

    sigma: pixels over which the surroundings are averaged. threshold: levels from which a line counts for the median.
    """
    fine = picture.astype(np.float32)
    strength = compute_darkness(fine, gaussian_blur(fine, sigma))
    lines = strength[strength > threshold]
    median = np.median(lines) if lines.size else 0
    return np.clip(strength / max(FAINTEST_MEDIAN, float(median)) * MIDDLE, 0, 255).astype(np.float32)


def coarsen(picture: NDArray[Any], factor: float, enlarging: int) -> NDArray[Any]:
    """Shrink [H, W, C] by averaging and enlarge it again; enlarging: OpenCV's interpolation."""
    height, width = picture.shape[:2]
    cells = max(1, int(width / factor)), max(1, int(height / factor))
    return cv2.resize(
        cv2.resize(picture, cells, interpolation=cv2.INTER_AREA), (width, height), interpolation=enlarging
    )
