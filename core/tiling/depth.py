"""Brings the depth of a tile to scale and shift of a pass over the whole picture.

A network of relative depth answers up to a scale and a shift of its own in every tile. Source of the fit: Ranftl et al.
2020, arXiv:1907.01341, section 5 (scale and shift by least squares); outliers by Huber's weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..images.types import Plane

SAMPLES = 20_000
ROUNDS = 5
WIDTH = 1.345
"""Huber's constant, in standard deviations."""


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


def _fit(x: Plane, y: Plane) -> tuple[float, float]:
    weights = np.ones_like(x)
    scale, shift = 1.0, float(np.median(y - x))
    for _ in range(ROUNDS):
        total = weights.sum()
        mean_x, mean_y = float((weights * x).sum() / total), float((weights * y).sum() / total)
        spread = float((weights * (x - mean_x) ** 2).sum() / total)
        together = float((weights * (x - mean_x) * (y - mean_y)).sum() / total)
        if spread <= 1e-12 * (1 + mean_x**2) or together <= 0:
            return 1.0, float(np.median(y - x))
        scale = together / spread
        shift = mean_y - scale * mean_x
        residuals = np.abs(y - scale * x - shift)
        limit = WIDTH * 1.4826 * float(np.median(residuals))
        weights = np.minimum(1.0, limit / np.maximum(residuals, 1e-12)) if limit > 0 else (residuals <= 1e-9) * 1.0
        if not weights.any():
            break
    return scale, shift
