"""Spoilt pictures, as they should not be: a negative word is trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Values = NDArray[np.float32]


def spoil(picture: Pixels, other: Pixels, rng: Generator) -> Pixels:
    """A picture uint8 [H, W, 3] with another one shining through, bent, blurred and noisy, each more or less."""
    values = picture.astype(np.float32)
    share = np.float32(rng.uniform(0.2, 0.5)) if rng.random() < 0.6 else np.float32(0)
    values = values * (1 - share) + other.astype(np.float32) * share
    if rng.random() < 0.7:
        values = bend(values, rng)
    for _ in range(int(rng.integers(1, 5))):
        values = blur(values)
    noise = rng.normal(0, rng.uniform(0, 14), values.shape).astype(np.float32)
    return np.rint(np.clip(values + noise, 0, 255)).astype(np.uint8)


def bend(values: Values, rng: Generator) -> Values:
    """Rows and columns moved along waves."""
    height, width = values.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    reach, length = rng.uniform(1.5, 5) * height / 128, rng.uniform(14, 40) * height / 128
    phases = rng.uniform(0, 2 * np.pi, 2)
    down = np.rint(rows + reach * np.sin(columns / length * 2 * np.pi + phases[0])).astype(np.int64)
    across = np.rint(columns + reach * np.sin(rows / length * 2 * np.pi + phases[1])).astype(np.int64)
    return values[down.clip(0, height - 1), across.clip(0, width - 1)]


def blur(values: Values) -> Values:
    """The mean of three by three pixels."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9, np.float32)
