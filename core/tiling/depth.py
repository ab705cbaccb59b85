"""Brings the depth of a tile to scale and shift of a pass over the whole picture.

A network of relative depth answers up to a scale and a shift of its own in every tile. Source of the fit: Ranftl et al.
2020, arXiv:1907.01341, section 5 (scale and shift by least squares), begun at medians and with Tukey's weights, so that
what only one of the two passes sees does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images.geometry import Size
    from ..images.types import Plane
    from .plan import Box

SAMPLES = 20_000
ROUNDS = 5
WIDTH = 4.685
"""Tukey's constant, in standard deviations."""


def enlarge_part(plane: Plane, size: Size, box: Box) -> Plane:
    """What a plane [h, w], enlarged to `size`, has where a tile lies."""
    import cv2

    down, across = plane.shape[0] / size.height, plane.shape[1] / size.width
    moves = np.array([[across, 0, (box.left + 0.5) * across - 0.5], [0, down, (box.top + 0.5) * down - 0.5]])
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(plane, moves, (box.size.width, box.size.height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.float32)


def align_depth(plane: Plane, target: Plane) -> Plane:
    """a * plane + b [h, w], closest to target [h, w]; shifted alone where a scale cannot be told or would turn it."""
    step = max(1, round((plane.size / SAMPLES) ** 0.5))
    x, y = (one[::step, ::step].astype(np.float64).ravel() for one in (plane, target))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not x.size:
        return plane
    scale, shift = _fit(x, y)
    return (plane * scale + shift).astype(np.float32)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    shifted = 1.0, float(np.median(y - x))
    (x_low, x_middle, x_high), (y_low, y_middle, y_high) = (np.percentile(one, (25, 50, 75)) for one in (x, y))
    if x_high > x_low and y_high > y_low:
        scale = float((y_high - y_low) / (x_high - x_low))
        shift = float(y_middle - scale * x_middle)
    else:  # a sky, or a wall: most of it has one depth
        spread, y_high, y_low = x.var(), y.max(), y.min()
        scale = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else 0.0
        shift = float(y.mean() - scale * x.mean())
    if scale <= 0:
        return shifted
    for _ in range(ROUNDS):
        residuals = np.abs(y - scale * x - shift)
        reach = WIDTH * 1.4826 * float(np.median(residuals)) + 1e-6 * float(y_high - y_low)
        weights = np.clip(1 - (residuals / reach) ** 2, 0, None) ** 2
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        together = float((weights * (x - mean_x) * (y - mean_y)).sum())
        if together <= 0:
            return shifted
        scale = together / float((weights * (x - mean_x) ** 2).sum())
        shift = float(mean_y - scale * mean_x)
    return scale, shift
