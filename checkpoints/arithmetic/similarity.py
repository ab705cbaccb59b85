"""Sums over whole tensors, read in chunks: products, cosines, and what follows from them. In float64, in file order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..method import Read

Products = list[list[float]]
_STILL = 1e-12


def measure_products(read: Read, origin: int | None = None) -> Products:
    """Scalar products of all pairs of inputs, [N][N]. origin: number of the input that is subtracted from all first."""
    total: Products = []
    for chunk in read():
        zero = None if origin is None else chunk.tensors[origin]
        wide = [(tensor if zero is None else tensor - zero).double() for tensor in chunk.tensors]
        total = total or [[0.0] * len(wide) for _ in wide]
        for i, one in enumerate(wide):
            for j, other in enumerate(wide[: i + 1]):
                total[i][j] += float((one * other).sum())
    return [[total[max(i, j)][min(i, j)] for j in range(len(total))] for i in range(len(total))]


def measure_columns(read: Read, *, with_whole: bool) -> Tensor:
    """Cosine of A and B by column, float32 [length of a row]; with_whole: the mean of it and of the whole tensor's."""
    sums: list[Tensor] = []
    for chunk in read():
        first, second = (tensor.double() for tensor in chunk.tensors[:2])
        found = [(first * second).sum(0), (first * first).sum(0), (second * second).sum(0)]
        sums = [old + new for old, new in zip(sums, found, strict=True)] if sums else found
    both, first, second = sums
    by_column = _divide(both, first, second)
    if with_whole:
        by_column = (by_column + _divide(both.sum(), first.sum(), second.sum())) / 2
    return by_column.float()


def _divide(both: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Cosine, 0 where one has no length."""
    return (both / (first.sqrt() * second.sqrt())).nan_to_num(0.0, 0.0, 0.0)


def find_median_weights(products: Products, steps: int) -> list[float]:
    """Weights, adding up to 1, of points in their geometric median, from their scalar products."""
    count = len(products)
    weights = [1 / count] * count
    for _ in range(steps):
        distances = _measure_distances(products, weights)
        least = _STILL * (max(distances) or 1.0)
        shares = [1 / max(distance, least) for distance in distances]
        new = [share / sum(shares) for share in shares]
        moved = max(abs(one - other) for one, other in zip(new, weights, strict=True))
        weights = new
        if moved < _STILL:
            break
    return weights


def _measure_distances(products: Products, weights: Sequence[float]) -> list[float]:
    """Of every point from the weighted mean."""
    along = [sum(w * p for w, p in zip(weights, row, strict=True)) for row in products]
    own = sum(w * a for w, a in zip(weights, along, strict=True))
    return [math.sqrt(max(0.0, own - 2 * a + products[i][i])) for i, a in enumerate(along)]


def find_mean_cosine(products: Products) -> float:
    """Mean cosine of all pairs; 0 for a pair in which one has no length."""
    pairs = [(i, j) for i in range(len(products)) for j in range(i)]
    sizes = [math.sqrt(products[i][i]) for i in range(len(products))]
    cosines = [products[i][j] / (sizes[i] * sizes[j]) if sizes[i] and sizes[j] else 0.0 for i, j in pairs]
    return sum(cosines) / len(cosines) if cosines else 1.0
