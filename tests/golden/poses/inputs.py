"""Inputs of the golden data of poses, made of numpy's RandomState, whose numbers never change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PHOTO = Path(__file__).resolve().parents[3] / "examples" / "photos" / "astronaut.png"
BOXES = np.array([[150, 20, 330, 400], [-40, 100, 200, 560], [300, 310, 352, 350]], np.float32)
"""Left, top, right, bottom; one beyond the picture, one wide."""


def photo() -> NDArray[np.uint8]:
    """The photograph, uint8 [512, 512, 3]."""
    with Image.open(PHOTO) as picture:
        return np.array(picture.convert("RGB"))


def detections() -> Array:
    """Output of YOLOX [1, 8400, 85]: 150 boxes in clusters, people, animals and a car."""
    random = np.random.RandomState(5)
    output = np.full((1, 8400, 85), 0.001, np.float32)
    rows = random.choice(8400, 150, replace=False)
    rows[:90] = 8000 + np.arange(90) * 3
    output[0, rows, :2] = random.uniform(-1, 1, (150, 2))
    output[0, rows, 2:4] = random.uniform(1.0, 2.6, (150, 2))
    output[0, rows, 4] = random.uniform(0.3, 1, 150)
    for kind in (0, 2, 15, 16, 17):
        output[0, rows, 5 + kind] = random.uniform(0, 1, 150) ** 2
    return output


def curves(figures: int, points: int, size: tuple[int, int]) -> tuple[Array, Array]:
    """SimCC outputs of this many figures; some points are sure, some are not, some have no positive bin."""
    random = np.random.RandomState(figures * 1000 + points)
    across, down = (random.random_sample((figures, points, 2 * side)).astype(np.float32) for side in size)
    tops = random.uniform(-0.2, 1.1, (2, figures, points, 1)).astype(np.float32)
    return across * tops[0] - (tops[0] < 0), down * tops[1] - (tops[1] < 0)


def heat(figures: int) -> Array:
    """Heat maps [N, 17, 64, 48]: a Gauss each, at any place including the border, some faint, on a little noise."""
    random = np.random.RandomState(figures)
    rows, columns = np.mgrid[:64, :48].astype(np.float32)
    x, y = random.uniform(0, 47, (figures, 17, 1, 1)), random.uniform(0, 63, (figures, 17, 1, 1))
    top = random.uniform(0.1, 1, (figures, 17, 1, 1))
    bumps = top * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return (bumps + random.uniform(0, 0.002, bumps.shape)).astype(np.float32)


def queries() -> tuple[Array, Array]:
    """Logits [300, 80] and boxes [300, 4] of RT-DETR."""
    random = np.random.RandomState(9)
    logits = random.uniform(-9, -2, (300, 80)).astype(np.float32)
    logits[random.choice(300, 40, replace=False), 0] = random.uniform(-2, 3, 40)
    return logits, random.uniform(0.1, 0.6, (300, 4)).astype(np.float32)


def figure(seed: int, count: int, width: int, height: int) -> list[tuple[float, float] | None]:
    """Points for drawing; every fifth is missing."""
    random = np.random.RandomState(seed)
    places = random.uniform(0.05, 0.95, (count, 2)) * (width, height)
    return [None if i % 5 == 4 else (float(x), float(y)) for i, (x, y) in enumerate(places)]
