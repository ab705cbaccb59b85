"""Which segments can be seen in a picture.

A network of lines that sees a nearly empty tile, a sky or a wall, answers with lines that no pixel shows. Noise is
measured as in Immerkær 1996, "Fast noise variance estimation", with a median in place of the mean, so that outlines do
not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images.types import Pixels, Plane
    from .ways import Lines

PIECE = 8
"""Length, in pixels, of the pieces of a segment along which brightness is averaged."""
REACH = 5
"""How far beside a segment, in pixels, its outline is looked for: ends lie up to three off."""
LEAST = 2.0
"""Smallest step of brightness, of 255, that counts."""
ABOVE_NOISE = 0.75
"""The same in standard deviations of the noise, which the means of pieces damp."""
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def keep_visible(lines: Lines, picture: Pixels) -> Lines:
    """Segments [n, 4] along half of whose length or more the brightness of a picture [h, w, 3] steps across them."""
    import cv2

    lines = np.asarray(lines, np.float64).reshape(-1, 4)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    least = max(LEAST, ABOVE_NOISE * _measure_noise(grey))
    smooth: Any = cv2.GaussianBlur(grey, (0, 0), 0.7)
    return lines[np.array([_measure_step(line, smooth) >= least for line in lines], bool)]


def _measure_noise(grey: Plane) -> float:
    import cv2

    return float(np.median(np.abs(cv2.filter2D(grey, -1, LAPLACIAN)))) / (0.6745 * 6)


def _measure_step(line: NDArray[np.float64], grey: Plane) -> float:
    """The median, over pieces of a segment, of the largest step within two pixels across it, up to REACH beside it."""
    import cv2

    start, way = line[:2], line[2:] - line[:2]
    length = float(np.hypot(*way))
    count = max(2, int(length) + 1)
    across = np.array([-way[1], way[0]]) / max(length, 1e-6)
    along = start + way * np.linspace(0, 1, count)[:, None]
    places = (along + across * np.arange(-REACH, REACH + 1)[:, None, None]).astype(np.float32)
    values: Any = cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ends = np.linspace(0, count, max(1, count // PIECE) + 1).astype(int)[:-1]
    means = np.add.reduceat(values, ends, axis=1) / np.diff([*ends, count])
    return float(np.median(np.abs(means[2:] - means[:-2]).max(0)))
