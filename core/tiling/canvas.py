"""The whole map that tiles are laid into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images.geometry import Size
    from ..images.types import Plane
    from .plan import Box

    Array = NDArray[Any]


class Blend:
    """Weighted mean of tiles: float32 [B, H, W] or [B, H, W, C] of memory, whatever the number of tiles."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._sum: NDArray[np.float32] | None = None
        self._weight = np.zeros(size, np.float32)

    def add(self, box: Box, part: Array, window: Plane) -> None:
        """Lay a tile [B, h, w, ...] in; window: its weights [h, w]."""
        if self._sum is None:
            self._sum = np.zeros((len(part), *self.size, *part.shape[3:]), np.float32)
        rows, columns = box.slices
        weights = window.reshape(*window.shape, *[1] * (part.ndim - 3))
        self._sum[:, rows, columns] += part.astype(np.float32) * weights
        self._weight[rows, columns] += window

    def read(self) -> NDArray[np.float32] | None:
        """The mean, None where no tile was laid."""
        if self._sum is not None:
            self._sum /= self._weight.reshape(*self.size, *[1] * (self._sum.ndim - 3))
        return self._sum


class Nearest:
    """Each pixel of the tile in which it weighs most: for classes and for black and white, which have no mean."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._best = np.full(size, -1, np.float32)
        self.planes: list[Array] = []

    def add(self, box: Box, parts: list[Array], window: Plane) -> None:
        """Lay arrays [B, h, w, ...] of one tile in."""
        if not self.planes:
            self.planes = [np.zeros((len(part), *self.size, *part.shape[3:]), part.dtype) for part in parts]
        rows, columns = box.slices
        better = window > self._best[rows, columns]
        self._best[rows, columns][better] = window[better]
        for plane, part in zip(self.planes, parts, strict=True):
            plane[:, rows, columns][:, better] = part[:, better]
