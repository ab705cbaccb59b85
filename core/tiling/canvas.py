"""The whole map that tiles are laid into, row by row of tiles: only the rows at hand are held as sums and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..images.geometry import Size
    from ..images.types import Plane
    from .plan import Box

    Array = NDArray[Any]
    Finish = Callable[[NDArray[np.float32]], Array]


class Blend:
    """Weighted mean of tiles [B, h, w] or [B, h, w, C], which are laid in from top to bottom.

    finish: makes what the map holds of rows of the mean, float32; by default they are kept as they are. Memory beside
    the map is that of one row of tiles.
    """

    def __init__(self, size: Size, finish: Finish | None = None) -> None:
        self.size, self._finish = size, finish
        self._map: Array | None = None
        self._sum: NDArray[np.float32] | None = None
        self._weight = np.zeros((0, size.width), np.float32)
        self._top = 0

    def add(self, box: Box, part: Array, window: Plane) -> None:
        """Lay a tile in; window: its weights [h, w]."""
        if self._sum is None:
            self._sum = np.zeros((len(part), box.size.height, self.size.width, *part.shape[3:]), np.float32)
            self._weight = np.zeros((box.size.height, self.size.width), np.float32)
        if box.top > self._top:
            self._roll(self._sum, box.top - self._top)
        _, columns = box.slices
        weights = window.reshape(*window.shape, *[1] * (part.ndim - 3))
        self._sum[:, :, columns] += part.astype(np.float32) * weights
        self._weight[:, columns] += window

    def read(self) -> Array | None:
        """The map, None where no tile was laid."""
        if self._sum is not None:
            self._roll(self._sum, len(self._weight))
            self._sum = None
        return self._map

    def _roll(self, total: NDArray[np.float32], count: int) -> None:
        """Finish so many rows, to which no further tile adds, and make place for as many below."""
        mean = total[:, :count] / self._weight[:count].reshape(count, -1, *[1] * (total.ndim - 3))
        rows = mean if self._finish is None else self._finish(mean)
        if self._map is None:
            self._map = np.empty((len(rows), *self.size, *rows.shape[3:]), rows.dtype)
        self._map[:, self._top : self._top + count] = rows
        self._top += count
        for band in (total.swapaxes(0, 1), self._weight):
            band[:-count] = band[count:].copy()
            band[-count:] = 0


class Nearest:
    """Each pixel of the tile in which it weighs most: for classes and for black and white, which have no mean."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._best = np.zeros((0, size.width), np.float32)
        self._top = 0
        self.planes: list[Array] = []

    def add(self, box: Box, parts: list[Array], window: Plane) -> None:
        """Lay arrays [B, h, w, ...] of one tile in; tiles come from top to bottom."""
        if not self.planes:
            self.planes = [np.zeros((len(part), *self.size, *part.shape[3:]), part.dtype) for part in parts]
            self._best = np.full((box.size.height, self.size.width), -1, np.float32)
        if (count := box.top - self._top) > 0:
            self._best[:-count] = self._best[count:].copy()
            self._best[-count:] = -1
            self._top = box.top
        rows, columns = box.slices
        best = self._best[:, columns]
        better = window > best
        best[better] = window[better]
        for plane, part in zip(self.planes, parts, strict=True):
            plane[:, rows, columns][:, better] = part[:, better]
