"""The One-Euro filter (Casiez, Roussel, Vogel 2012, doi:10.1145/2207676.2208639) on many points at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEED_CUTOFF = 1.0
"""Cutoff of the speed's own filter, in Hz: the authors' value."""


def find_share(cutoff: NDArray[np.float64] | float, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of a new sample in a low-pass filter: 1 / (1 + tau / seconds), tau = 1 / (2 pi cutoff)."""
    return 1 / (1 + 1 / (2 * math.pi * np.asarray(cutoff) * seconds))


class OneEuroFilter:
    """Smooths points [N, 2] that arrive with times; a point that is missing is NaN, and is missing in the result.

    cutoff: in Hz, of a point at rest; less is smoother. speed: Hz that the cutoff rises by for each length a second
    that the point moves, lengths being those given with each sample. The speed is that of the point, not of one
    coordinate, so that the result does not depend on how the picture is turned.
    """

    def __init__(self, cutoff: float, speed: float) -> None:
        self.cutoff, self.speed = cutoff, speed
        self._points: NDArray[np.float64] | None = None

    def __call__(self, points: NDArray[np.float64], time: float, length: float) -> NDArray[np.float64]:
        """The smoothed points of a time in seconds. length: above 0, what speeds are measured in."""
        points = np.asarray(points, np.float64)
        if self._points is None:
            self._points, self._speeds = points.copy(), np.zeros_like(points)
            self._times = np.full(len(points), time)
            return points.copy()
        seen, known = np.isfinite(points[:, 0]), np.isfinite(self._points[:, 0])
        seconds = np.maximum(time - self._times, 1e-6)
        moving = seen & known
        speeds = np.where(moving[:, None], (points - self._points) / seconds[:, None] / length, 0)
        share = find_share(SPEED_CUTOFF, seconds)[:, None]
        speeds = share * speeds + (1 - share) * self._speeds
        cutoff = self.cutoff + self.speed * np.linalg.norm(speeds, axis=1)
        weight = find_share(cutoff, seconds)[:, None]
        smooth = np.where(moving[:, None], weight * points + (1 - weight) * self._points, points)
        self._points = np.where(seen[:, None], smooth, self._points)
        self._speeds = np.where(moving[:, None], speeds, np.where(seen[:, None], 0, self._speeds))
        self._times = np.where(seen, time, self._times)
        return smooth
