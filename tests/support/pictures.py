"""Small pictures every test may use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "filters"


def stored(name: str) -> Picture:
    """RGB [H, W, 3] of a PNG beside the golden maps."""
    read = cv2.imread(str(GOLDEN / f"{name}.png"), cv2.IMREAD_COLOR)
    assert read is not None
    return np.ascontiguousarray(read[..., ::-1]).astype(np.uint8)


def photo(height: int = 128, width: int = 128) -> Picture:
    """A woman's face (NASA's portrait of Eileen Collins, public domain)."""
    return cv2.resize(stored("picture"), (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def flat(height: int, width: int, level: int) -> Picture:
    return np.full((height, width, 3), level, np.uint8)


def noise(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height: int, width: int) -> Picture:
    """Red rises to the right, green to the bottom, blue falls to the right."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)


def drawing(height: int, width: int) -> Picture:
    """Black lines on white."""
    page = np.full((height, width, 3), 255, np.uint8)
    cv2.circle(page, (width // 2, height // 2), max(1, min(height, width) // 3), (0, 0, 0), 2)
    cv2.line(page, (0, height - 1), (width - 1, 0), (40, 20, 90), 1)
    return page


def mixed(height: int, width: int) -> Picture:
    """A batch [6, H, W, 3] of pictures that have nothing in common but their size."""
    every = (photo(height, width), drawing(height, width), noise(height, width), ramp(height, width))
    return np.stack([*every, flat(height, width, 0), flat(height, width, 128)])
