"""How alike two maps are, and the photographs on which that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
NAMES = ("astronaut", "camera")


def photograph(name: str, side: int = 512) -> NDArray[np.uint8]:
    """RGB [1, side, side, 3] of a bundled photograph."""
    read = cv2.imread(str(PHOTOS / f"{name}.png"), cv2.IMREAD_COLOR)
    assert read is not None
    return cv2.resize(read[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)[None].astype(np.uint8)


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Structural similarity of two maps [H, W] (Wang et al. 2004, Gaussian window of sigma 1.5)."""
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    cov = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(likeness.mean())


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return cv2.GaussianBlur(x, (11, 11), 1.5).astype(np.float64)
