"""Quantiles of the beta distribution, which the schedule "beta" is made of."""

from __future__ import annotations

import math

TINY = 1e-300
TERMS = 200
HALVINGS = 80


def find_beta_quantile(share: float, a: float, b: float) -> float:
    """The x below which a share of the beta distribution lies, both 0 to 1; to float64's precision.

    The distribution function is the regularised incomplete beta function, by its continued fraction (NIST DLMF
    8.17.22); it is inverted by bisection on the side that keeps small values exact.
    """
    if share <= 0 or share >= 1:
        return float(share >= 1)
    if share == 0.5 and a == b:
        return 0.5
    if share > _integrate(0.5, a, b):
        return 1 - _bisect(1 - share, b, a)
    return _bisect(share, a, b)


def _bisect(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _integrate(middle, a, b) < share else (low, middle)
    return (low + high) / 2


def _integrate(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _continue_fraction(x, a, b) / a
    return 1 - front * _continue_fraction(1 - x, b, a) / b


def _continue_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    upper, lower = 1.0, 1 / _avoid_zero(1 - (a + b) * x / (a + 1))
    value = lower
    for m in range(1, TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1 / _avoid_zero(1 + term * lower)
            upper = _avoid_zero(1 + term / upper)
            value *= upper * lower
        if abs(upper * lower - 1) < 1e-16:
            break
    return value


def _avoid_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
