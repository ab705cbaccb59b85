"""Singular triplets of what a delta does, from its own small factors: the change itself is formed only where that is
no larger than real layers are."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ..deltas.base import flatten_factor, to_float32
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard, Kronecker
from .save import MAX_ELEMENTS, check_size, compute_dense_change
from .svd import Factors, RankRule, balance, factor_product, find_leading

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from ..deltas.base import Delta


@contextmanager
def report_numeric_errors(name: str) -> Generator[None]:
    """Turn what linear algebra raises on numbers that it cannot take, or for want of memory, into BadWeights."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        fix = "check the file; its numbers may be too large to compute with"
        raise BadWeights(f"cannot be decomposed ({reason})", where=name, fix=fix) from error


def truncate(factors: Factors, rule: RankRule) -> tuple[Tensor, Tensor, float]:
    """Up [m, r], down [r, n] and the relative error, of the rank that a rule leaves."""
    rank = rule.rank(factors)
    return *balance(factors, rank), factors.error(rank)


def truncate_delta(name: str, delta: Delta, rule: RankRule, strength: float = 1.0) -> tuple[Tensor, Tensor, float]:
    """As truncate, of strength times a delta's change. Raises BadWeights where that is too large or no number."""
    with report_numeric_errors(name):
        if isinstance(delta, Kronecker):
            up, down, error = _truncate_kronecker(name, delta, rule)
        elif (pair := _find_pair(name, delta, rule)) is not None:
            up, down, error = truncate(factor_product(*pair), rule)
        else:
            up, down, error = truncate_matrix(compute_dense_change(name, delta).flatten(1), rule)
    if not all(bool(torch.isfinite(factor).all()) for factor in (up, down)):
        fix = "check the file; its numbers may be too large to compute with"
        raise BadWeights("cannot be decomposed (infinite or NaN in float32)", where=name, fix=fix)
    root = math.sqrt(abs(strength))
    return up * math.copysign(root, strength), down * root, error


def truncate_matrix(matrix: Tensor, rule: RankRule) -> tuple[Tensor, Tensor, float]:
    """As truncate, of a float32 matrix."""
    return truncate(find_leading(matrix, min(matrix.shape) if rule.whole else rule.most), rule)


def fold_core(name: str, a: Tensor, core: Tensor | None, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two factors of an operand that may have a core between them: [O, r] and [r, I*k*k], float32."""
    if core is None:
        return to_float32(a), to_float32(b)
    check_size(name, core.shape[0], b.shape[1] * core.shape[2:].numel())
    inner = torch.einsum("pq...,qi->pi...", to_float32(core), to_float32(b))
    return to_float32(a).T, flatten_factor(inner)


def _find_pair(name: str, delta: Delta, rule: RankRule) -> tuple[Tensor, Tensor] | None:
    """Factors whose product is the change; None where forming the change is the cheaper way."""
    if isinstance(delta, LowRank):
        if delta.mid is not None:
            check_size(name, delta.mid.shape[0], delta.extent.cols)
        return delta.factors()
    if not isinstance(delta, Hadamard) or delta.extent is None:
        return None
    rows, columns, _ = delta.extent
    if rows * columns <= MAX_ELEMENTS and not rule.most <= delta.rank**2 < min(rows, columns):
        return None
    one = fold_core(name, delta.w1_a, delta.t1, delta.w1_b)
    two = fold_core(name, delta.w2_a, delta.t2, delta.w2_b)
    check_size(name, rows + columns, delta.rank**2)
    up = torch.einsum("op,oq->opq", one[0], two[0]).flatten(1) * delta.scale
    return up, torch.einsum("pi,qi->pqi", one[1], two[1]).flatten(0, 1)


def _truncate_kronecker(name: str, delta: Kronecker, rule: RankRule) -> tuple[Tensor, Tensor, float]:
    """The singular values of a Kronecker product are all products of its operands' values, and so are the vectors."""
    if delta.extent is None:
        raise BadWeights("its factors are incomplete", where=name, fix="fetch or export the file again")
    one = _decompose_side(name, delta.w1, delta.w1_a, None, delta.w1_b, rule)
    two = _decompose_side(name, delta.w2, delta.w2_a, delta.t2, delta.w2_b, rule)
    check_size(name, len(one.values), len(two.values))
    products = torch.outer(one.values, two.values).flatten() * abs(delta.factor)
    values, order = products.sort(descending=True, stable=True)
    energy = one.energy * two.energy * delta.factor**2
    rank = rule.rank(Factors(one.left, values, one.right, energy))
    check_size(name, delta.extent.rows + delta.extent.cols, rank)
    first, second = order[:rank] // len(two.values), order[:rank] % len(two.values)
    left = torch.einsum("ar,br->abr", one.left[:, first], two.left[:, second]).flatten(0, 1)
    right = torch.einsum("ra,rb->rab", one.right[first], two.right[second]).flatten(1)
    chosen = Factors(left * math.copysign(1.0, delta.factor), values[:rank], right, energy)
    return *balance(chosen, rank), chosen.error(rank)


def _decompose_side(
    name: str, whole: Tensor | None, a: Tensor | None, core: Tensor | None, b: Tensor | None, rule: RankRule
) -> Factors:
    """Triplets of one operand, as many as the rule may need."""
    if whole is not None:
        matrix = flatten_factor(to_float32(whole))
        return find_leading(matrix, min(matrix.shape) if rule.whole else min(rule.most, *matrix.shape))
    assert a is not None
    assert b is not None
    return factor_product(*fold_core(name, a, core, b))


def clamp_factors(up: Tensor, down: Tensor, quantile: float) -> tuple[Tensor, Tensor]:
    """Both factors within plus and minus the quantile of all their values (not of their sizes), as kohya cuts them."""
    values = torch.cat([up.flatten(), down.flatten()])
    bound = abs(float(values.kthvalue(max(1, round(quantile * values.numel()))).values))
    return up.clamp(-bound, bound), down.clamp(-bound, bound)


def measure_error(matrix: Tensor, up: Tensor, down: Tensor) -> float:
    """Frobenius norm of what two factors miss of a matrix, relative to the matrix."""
    whole = float(torch.linalg.vector_norm(matrix, dtype=torch.float64))
    return float(torch.linalg.vector_norm(matrix - up @ down, dtype=torch.float64)) / whole if whole else 0.0
