"""Alignment of maps: a chart of slanted bars at known places, and how far a map's response lies from them.

    chart = alignment.Chart(384, 512)
    found = chart.offset(annotate(chart.picture(), resolution=700))   # any map size
    assert found.worst <= alignment.LIMIT

A bar is symmetric across its middle, so whatever an annotator makes of it (a line, two edges, a blur, the same picture
again) has its centroid there, unless the map is shifted. The slant lets every bar pass through all sub-pixel phases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 0.25
"""Promised offset in pixels of the map (spec/users.md 3.3, item 32)."""
_SLANT = 1 / 23


class Offset(NamedTuple):
    """How far the response lies right (x) and below (y) of where it should, in map pixels; bars: how many responded."""

    x: float
    y: float
    bars: int

    @property
    def worst(self) -> float:
        return max(abs(self.x), abs(self.y))


class Chart:
    """Upright bars in the upper half, lying bars in the lower half, anti-aliased, on an even ground."""

    def __init__(
        self, height: int = 384, width: int = 512, *, bar: float = 7.0, ink: int = 24, ground: int = 232
    ) -> None:
        """bar: thickness; ink and ground: grey levels 0..255. Sides of at least 128 leave room for the bars."""
        self.height, self.width, self.bar, self.ink, self.ground = height, width, bar, ink, ground
        self.pitch = 8 * bar
        self.columns = self._places(width)
        self.rows = self._places(height // 2, height // 2)

    def _places(self, length: int, start: int = 0) -> NDArray[np.float64]:
        """Middles of the bars (at the middle of their length), in pixel-corner coordinates."""
        count = max(1, int((length - self.pitch) // self.pitch))
        even = start + length / 2 + (np.arange(count) - (count - 1) / 2) * self.pitch
        return even + np.linspace(0.13, 0.79, count)

    def _middle(self, place: float, along: NDArray[np.float64], length: float) -> NDArray[np.float64]:
        return place + _SLANT * (along - length)

    def picture(self) -> NDArray[np.uint8]:
        """Draw the chart as uint8 [H, W, 3]."""
        y, x = np.mgrid[0 : self.height, 0 : self.width] + 0.5
        half = self.height / 2
        upright = self._cover(x, [self._middle(p, y, half / 2) for p in self.columns]) * (y < half - self.bar)
        lying = self._cover(y, [self._middle(p, x, self.width / 2) for p in self.rows]) * (y >= half + self.bar)
        cover = np.maximum(upright, lying)
        grey = np.rint(self.ground + (self.ink - self.ground) * cover).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)

    def _cover(self, across: NDArray[np.float64], middles: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Share of each pixel that lies in a bar."""
        cover = np.zeros((self.height, self.width))
        for middle in middles:
            cover = np.maximum(cover, np.clip(self.bar / 2 + 0.5 - np.abs(across - middle), 0, 1))
        return cover

    def offset(self, image: NDArray[np.uint8]) -> Offset:
        """Measure a map uint8 [H', W', 3] of any size. Raises ValueError when no bar left a trace."""
        grey = image.astype(np.float64).mean(axis=2)
        up, across = grey.shape[0] / self.height, grey.shape[1] / self.width
        half = grey.shape[0] // 2
        xs = self._bars(grey[:half], self.columns, across, up, self.height / 4)
        ys = self._bars(grey[half:].T, self.rows - half / up, up, across, self.width / 2)
        if not xs or not ys:
            raise ValueError("the map shows no response to the chart's bars")
        return Offset(float(np.mean(xs)), float(np.mean(ys)), len(xs) + len(ys))

    def _bars(
        self, rows: NDArray[np.float64], places: NDArray[np.float64], scale: float, along: float, middle: float
    ) -> list[float]:
        """Mean offset of each bar, measured row by row across it in the middle 60 % of its length."""
        first, last = int(rows.shape[0] * 0.2), int(rows.shape[0] * 0.8)
        found: list[float] = []
        for place in places:
            at = [self._middle(place, np.asarray((row + 0.5) / along), middle) * scale for row in range(first, last)]
            each = [_centroid(rows[first + i], float(a), self.pitch * scale * 0.45) for i, a in enumerate(at)]
            known = [one for one in each if one is not None]
            if len(known) * 2 > len(each):
                found.append(float(np.mean(known)))
        return found


def _centroid(row: NDArray[np.float64], at: float, reach: float) -> float | None:
    """Centroid of the response around `at` relative to it; None without response."""
    pixels = np.arange(max(0, int(np.ceil(at - reach))), min(row.size, int(at + reach)))
    pixels = pixels[np.abs(pixels + 0.5 - at) <= reach - 1]
    if pixels.size < 5:
        return None
    values = row[pixels]
    edge = max(1, pixels.size // 6)
    weight = np.abs(values - np.median(np.concatenate([values[:edge], values[-edge:]])))
    weight[weight < 0.1 * weight.max()] = 0
    if weight.max() < 2:
        return None
    return float(((pixels + 0.5 - at) * weight).sum() / weight.sum())
