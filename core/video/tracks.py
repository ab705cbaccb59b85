"""Who is who over the frames of a clip: people and animals followed by where their keypoints are expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    """[N, 3]: x, y, confidence of one figure's keypoints; NaN where one was not found."""

REACH = 0.6
"""Most that a figure's keypoints may lie from where they are expected, on average, in lengths of the figure."""
MEMORY = 0.5
"""Seconds after which somebody who was lost is somebody else, where gaps are not filled for longer."""
_SLOWING = 0.8
"""Share of a speed that is expected to go on in the next frame."""


def find_length(points: Points) -> float:
    """Length of a figure: the diagonal of the box around its keypoints, at least 1 pixel."""
    seen = points[np.isfinite(points[:, 0]), :2]
    return float(max(1.0, np.linalg.norm(np.ptp(seen, axis=0)))) if len(seen) else 1.0


@dataclass
class _Track:
    number: int
    points: Points
    speed: NDArray[np.float64]
    length: float
    time: float

    def expect(self, time: float) -> Points:
        points = self.points.copy()
        points[:, :2] += self.speed * (time - self.time) * _SLOWING
        return points

    def update(self, points: Points, time: float) -> None:
        """Take what was found; keypoints that were not stay where they would be expected."""
        seconds = max(time - self.time, 1e-6)
        moved = points[:, :2] - self.points[:, :2]
        known = np.isfinite(moved[:, 0])
        shift = np.median(moved[known], axis=0) if known.any() else np.zeros(2)
        self.speed = 0.5 * self.speed + 0.5 * shift / seconds
        carried = self.points.copy()
        carried[:, :2] += shift
        self.points = np.where(np.isfinite(points[:, :1]), points, carried)
        self.length = 0.8 * self.length + 0.2 * find_length(points)
        self.time = time


class Tracker:
    """Gives figures numbers from 0, in the order in which they first appear, that they keep over frames.

    memory: seconds that somebody who is lost is waited for.
    """

    def __init__(self, memory: float = MEMORY) -> None:
        self.memory = memory
        self._tracks: list[_Track] = []
        self._next = 0

    def __call__(self, figures: Sequence[Points], time: float) -> list[int]:
        """Numbers of the figures of the next frame, each once. time: in seconds, rising."""
        self._tracks = [track for track in self._tracks if time - track.time <= self.memory]
        expected = [track.expect(time) for track in self._tracks]
        costs = sorted(
            (find_distance(points, place, max(track.length, find_length(points))), i, k)
            for i, points in enumerate(figures)
            for k, (track, place) in enumerate(zip(self._tracks, expected, strict=True))
        )
        found: dict[int, int] = {}
        for cost, i, k in costs:
            if cost <= REACH and i not in found and k not in found.values():
                found[i] = k
        numbers = [self._follow(points, found.get(i), time) for i, points in enumerate(figures)]
        self._tracks.sort(key=lambda track: track.number)
        return numbers

    def _follow(self, points: Points, track: int | None, time: float) -> int:
        if track is not None:
            self._tracks[track].update(points, time)
            return self._tracks[track].number
        self._tracks.append(_Track(self._next, points.copy(), np.zeros(2), find_length(points), time))
        self._next += 1
        return self._next - 1


def find_distance(first: Points, second: Points, length: float) -> float:
    """Mean distance of the keypoints that both have, in lengths; of their middles where they share fewer than three."""
    apart = np.linalg.norm(first[:, :2] - second[:, :2], axis=1)
    shared = np.isfinite(apart)
    if shared.sum() >= 3:
        return float(apart[shared].mean()) / length
    middles = [np.nanmean(points[:, :2], axis=0) for points in (first, second) if np.isfinite(points[:, 0]).any()]
    return float(np.linalg.norm(middles[0] - middles[1])) / length if len(middles) == 2 else float("inf")
