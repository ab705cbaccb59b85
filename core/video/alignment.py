"""Scale and shift between two depth maps of one scene, by robust least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS, _PAIRS = 8, 150
_TUKEY = 4.685
"""Residuals beyond so many standard deviations have no weight (Beaton and Tukey 1974)."""
_MAD = 1.4826
"""Standard deviation of normal noise in median absolute deviations."""
LEAST_CORRELATION = 0.5
"""Of weighted values, below which a scale says nothing and only the shift is matched."""
SCALES = (0.2, 5.0)
"""Scales beyond these are another scene's."""


class Affine(NamedTuple):
    """y = scale * x + shift."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values at the new scale."""
        return (values * np.float32(self.scale) + np.float32(self.shift)).astype(np.float32)


def fit_affine(x: NDArray[Any], y: NDArray[Any]) -> Affine | None:
    """The scale and shift that bring x [N] to y [N]; None where they do not fit.

    Reweighted least squares with Tukey's weights. Both hold noise of the same kind, so the scale is the ratio of the
    standard deviations (reduced major axis): plain least squares would shrink it a little in every frame, and a long
    clip to grey.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    whole = np.isfinite(x) & np.isfinite(y)
    x, y = x[whole], y[whole]
    if len(x) < 16:
        return None
    scale, shift = _find_start(x, y)
    for _ in range(_STEPS):
        weights = _weigh(y - scale * x - shift, np.ptp(y))
        total = weights.sum()
        mean_x, mean_y = (weights @ x) / total, (weights @ y) / total
        var_x, var_y = weights @ (x - mean_x) ** 2, weights @ (y - mean_y) ** 2
        correlation = _divide(float(weights @ ((x - mean_x) * (y - mean_y))), float(np.sqrt(var_x * var_y)))
        scale = _divide(float(np.sqrt(var_y)), float(np.sqrt(var_x))) if correlation >= LEAST_CORRELATION else 1.0
        shift = float(mean_y - scale * mean_x)
    return Affine(scale, shift) if SCALES[0] <= scale <= SCALES[1] else None


def _find_start(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and shift with the least median residual, of those through pairs of points (Rousseeuw 1984).

    Up to half of the points may be wrong. The pairs are the same for the same values.
    """
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(x), (2, 4 * _PAIRS))
    wide = np.argsort(-np.abs(x[second] - x[first]), kind="stable")[:_PAIRS]
    first, second = first[wide], second[wide]
    apart = x[second] - x[first]
    slopes = np.where(apart != 0, (y[second] - y[first]) / np.where(apart != 0, apart, 1), 1.0)
    slopes = np.append(np.clip(slopes, *SCALES), 1.0)
    sample = rng.integers(0, len(x), min(len(x), 400))
    rest = y[sample] - slopes[:, None] * x[sample]
    shifts = np.median(rest, axis=1)
    best = int(np.argmin(np.median(np.abs(rest - shifts[:, None]), axis=1)))
    return float(slopes[best]), float(shifts[best])


def _divide(above: float, below: float) -> float:
    return above / below if below > 0 and above > 0 else 1.0


def _weigh(residuals: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Tukey's weights; residuals that are nothing beside the range of the values all count."""
    deviation = max(_MAD * float(np.median(np.abs(residuals - np.median(residuals)))), 1e-6 * float(reach), 1e-12)
    return np.clip(1 - (residuals / (_TUKEY * deviation)) ** 2, 0, None) ** 2 + 1e-12
