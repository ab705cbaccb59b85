"""Leading singular triplets of large matrices without a full SVD, and how many of them to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ...core.errors import BadParameter

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["fixed", "ratio", "cumulative", "frobenius"]
BLOCK = 32
"""Vectors that one step of the Krylov iteration takes."""
SPAN, SPARE = 2, 96
"""Size of the Krylov space: SPAN times the requested count plus SPARE."""
WORTH = 0.75
"""From this share of the shorter side on, the whole spectrum by the Gram matrix is the cheaper way."""


class Factors(NamedTuple):
    """left [m, k], values [k] falling, right [k, n]; energy: squared Frobenius norm of the whole matrix, float64."""

    left: Tensor
    values: Tensor
    right: Tensor
    energy: float

    def error(self, rank: int) -> float:
        """Frobenius norm of what the first rank triplets leave out, relative to the whole."""
        kept = float(self.values[:rank].double().square().sum())
        return math.sqrt(max(0.0, 1 - kept / self.energy)) if self.energy else 0.0


@dataclass(frozen=True)
class RankRule:
    """How many triplets to keep: at least 1, never more than most.

    fixed: most. ratio: those larger than the largest / value. cumulative: until they sum up to value (0 to 1) of the
    sum of all. frobenius: until their squares sum up to value squared of the squared norm, so that value is the share
    of the norm that is kept. The last three are kohya's sv_ratio, sv_cumulative and sv_fro.
    """

    most: int
    kind: Kind = "fixed"
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadParameter(f"a rank of {self.most}", where="rank", fix="give 1 or more")
        if self.kind == "ratio" and not self.value >= 1:
            raise BadParameter(f"a ratio of {self.value}", where="ratio", fix="give 1 or more, for example 50")
        if self.kind in ("cumulative", "frobenius") and not 0 < self.value <= 1:
            raise BadParameter(f"a share of {self.value}", where=self.kind, fix="give more than 0 and at most 1")

    @property
    def whole(self) -> bool:
        """Whether the rule needs every singular value."""
        return self.kind == "cumulative"

    def rank(self, factors: Factors) -> int:
        """Number of triplets to keep."""
        values = factors.values.double()
        limit = max(1, min(self.most, len(values)))
        if self.kind == "fixed" or not float(values[0]):
            return limit
        if self.kind == "ratio":
            count = int((values > values[0] / self.value).sum())
        elif self.kind == "cumulative":
            count = _count_until(values.cumsum(0) / values.sum(), self.value)
        else:
            count = _count_until(values.square().cumsum(0) / factors.energy, self.value**2)
        return max(1, min(limit, count))


def _count_until(shares: Tensor, limit: float) -> int:
    """Number of entries until rising shares reach the limit, within rounding."""
    return int((shares < limit - 1e-9).sum()) + 1


def find_leading(matrix: Tensor, count: int) -> Factors:
    """The first count singular triplets of a float32 matrix [m, n], or as many as it has.

    A block Krylov space (Musco and Musco, 1504.05477) with complete reorthogonalisation; the
    triplets are those of the matrix projected on it, so every error is a rounding error of float32 plus what the space
    misses. That shrinks with the gaps of the spectrum: measured over spectra from white noise (no gaps at all) to
    exponential, the Frobenius error of a truncation to count is within 0.5 % of the full SVD's in the worst case and
    within 0.05 % where singular values fall like k^-0.5 or faster. Where the space would be nearly everything, the Gram
    matrix of the shorter side in float64 gives all triplets; its error is sqrt(2^-53) = 1e-8 of the largest value,
    below float32's own.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    side = wide.shape[0]
    if _space_size(count) >= WORTH * side:
        left, values, right = _decompose_gram(wide, count)
    else:
        left, values, right = _decompose_krylov(wide, count)
    if wide is not matrix:
        left, right = right.T, left.T
    return Factors(left, values, right, float(torch.linalg.vector_norm(matrix, dtype=torch.float64)) ** 2)


def _space_size(count: int) -> int:
    return BLOCK * math.ceil((SPAN * count + SPARE) / BLOCK)


def _decompose_gram(wide: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    double = wide.double()
    squares, vectors = torch.linalg.eigh(double @ double.T)
    values, vectors = squares.clamp_min(0).sqrt().flip(0)[:count], vectors.flip(1)[:, :count]
    right = (vectors.T @ double) / values.clamp_min(values[0] * 1e-14 + 1e-300)[:, None]
    return vectors.float(), values.float(), right.float()


def _decompose_krylov(wide: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    side, generator = wide.shape[0], torch.Generator(wide.device).manual_seed(0)
    steps = _space_size(count) // BLOCK
    basis = wide.new_empty(steps * BLOCK, side)
    images = wide.new_empty(steps * BLOCK, wide.shape[1])
    start = torch.randn(wide.shape[1], BLOCK, generator=generator, device=wide.device, dtype=wide.dtype)
    block = wide @ start
    for step in range(steps):
        begin, end = step * BLOCK, (step + 1) * BLOCK
        basis[begin:end] = _orthogonalise(block, basis[:begin])
        torch.mm(basis[begin:end], wide, out=images[begin:end])
        block = wide @ images[begin:end].T
    turned, values, right = _decompose_gram(images, count)
    return basis.T @ turned, values, right


def _orthogonalise(block: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal rows that span the block's columns as far as the basis (rows) does not; twice, as rounding asks."""
    for _ in range(2):
        block = block - basis.T @ (basis @ block)
        block = torch.linalg.qr(block)[0]
    return (block - basis.T @ (basis @ block)).T


def factor_product(up: Tensor, down: Tensor) -> Factors:
    """All singular triplets of up [m, r] @ down [r, n]: QR of both and an SVD of the r x r core, not of the product."""
    if up.shape[1] >= min(up.shape[0], down.shape[1]):
        left, values, right = torch.linalg.svd(up @ down, full_matrices=False)
    else:
        rows, first = torch.linalg.qr(up)
        columns, second = torch.linalg.qr(down.T)
        inner, values, outer = torch.linalg.svd(first @ second.T, full_matrices=False)
        left, right = rows @ inner, outer @ columns.T
    return Factors(left, values, right, float(values.double().square().sum()))


def balance(factors: Factors, rank: int) -> tuple[Tensor, Tensor]:
    """Up [m, rank] and down [rank, n] with the values' roots in both, so that neither leaves float16's range."""
    roots = factors.values[:rank].clamp_min(0).sqrt()
    return factors.left[:, :rank] * roots, factors.right[:rank] * roots[:, None]
