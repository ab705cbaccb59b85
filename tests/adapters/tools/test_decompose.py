"""Truncation from a delta's own factors is the truncation of its change, and never forms what is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.products import Hadamard, Kronecker
from underdrawing.adapters.tools.decompose import truncate_delta
from underdrawing.adapters.tools.save import compute_dense_change
from underdrawing.adapters.tools.svd import Kind, RankRule
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from underdrawing.adapters.deltas.base import Delta

NAME = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def deltas(seed: int, rank: int, rows: int, columns: int) -> list[Delta]:
    return [
        LowRank(up=draw(seed, rows, rank), down=draw(seed + 1, rank, columns), scale=0.5),
        LowRank(
            up=draw(seed, rows, rank),
            down=draw(seed + 1, rank, columns),
            mid=draw(seed + 2, rank, rank, 3, 3),
            scale=2.0,
        ),
        Hadamard(
            w1_a=draw(seed, rows, rank),
            w1_b=draw(seed + 1, rank, columns),
            w2_a=draw(seed + 2, rows, rank),
            w2_b=draw(seed + 3, rank, columns),
            scale=0.25,
        ),
        Hadamard(
            w1_a=draw(seed, rank, rows),
            w1_b=draw(seed + 1, rank, columns),
            w2_a=draw(seed + 2, rank, rows),
            w2_b=draw(seed + 3, rank, columns),
            t1=draw(seed + 4, rank, rank, 3, 3),
            t2=draw(seed + 5, rank, rank, 3, 3),
        ),
        Kronecker(w1=draw(seed, 3, 2), w2=draw(seed + 1, rows, columns, 3, 3)),
        Kronecker(w1=draw(seed, 3, 2), w2_a=draw(seed + 1, rows, rank), w2_b=draw(seed + 2, rank, columns), scale=-0.5),
        Kronecker(w1_a=draw(seed, 3, 2), w1_b=draw(seed + 3, 2, 4), w2=draw(seed + 1, rows, columns), scale=3.0),
        Kronecker(
            w1=draw(seed, 2, 3),
            w2_a=draw(seed + 1, rank, rows),
            w2_b=draw(seed + 2, rank, columns),
            t2=draw(seed + 4, rank, rank, 3, 3),
        ),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 4),
    st.integers(4, 12),
    st.integers(4, 12),
    st.sampled_from(
        [("fixed", 3, 0.0), ("fixed", 50, 0.0), ("ratio", 9, 4.0), ("cumulative", 99, 0.8), ("frobenius", 9, 0.9)]
    ),
    st.sampled_from([1.0, -0.5, 3.0]),
)
def test_as_the_full_decomposition(
    seed: int, rank: int, rows: int, columns: int, rule: tuple[Kind, int, float], strength: float
) -> None:
    kind, most, value = rule
    for delta in deltas(seed, rank, rows, columns):
        matrix = compute_dense_change(NAME, delta).flatten(1).double() * strength
        up, down, error = truncate_delta(NAME, delta, RankRule(most, kind, value), strength)
        values = torch.linalg.svdvals(matrix)
        kept, whole = up.shape[1], float(values.norm())
        best = float(values[kept:].norm()) / whole
        got = float((matrix - up.double() @ down.double()).norm()) / whole
        assert got <= best * 1.01 + 2e-5, type(delta)
        assert abs(got - error) < 1e-3, type(delta)


HUGE = 1 << 20


@pytest.mark.parametrize(
    "delta",
    [
        Hadamard(w1_a=draw(0, HUGE, 1), w1_b=draw(1, 1, HUGE), w2_a=draw(2, HUGE, 1), w2_b=draw(3, 1, HUGE)),
        LowRank(up=draw(0, HUGE, 1), down=draw(1, 1, HUGE)),
        Kronecker(w1=draw(0, 320, 320), w2=draw(1, 320, 320)),
        Kronecker(w1_a=draw(0, 1000, 1), w1_b=draw(1, 1, 1000), w2_a=draw(2, 1000, 1), w2_b=draw(3, 1, 1000)),
    ],
    ids=["loha", "lora", "lokr", "lokr of factors"],
)
def test_products_of_any_size_are_truncated_from_their_factors(delta: Delta) -> None:
    up, down, _ = truncate_delta(NAME, delta, RankRule(2))
    extent = delta.extent
    assert extent is not None
    assert (up.shape[0], down.shape[1]) == (extent.rows, extent.cols)
    with pytest.raises(BadWeights, match="more than any layer"):
        compute_dense_change(NAME, delta)


@pytest.mark.parametrize(
    "delta",
    [
        LowRank(up=draw(0, 4, 1), down=draw(1, 1, 1 << 15), mid=draw(2, 1, 1, 100, 100)),
        Kronecker(w1=draw(0, 4, 4), w2_a=draw(1, 1, 4), w2_b=draw(2, 1, 1 << 15), t2=draw(3, 1, 1, 100, 100)),
        Hadamard(
            w1_a=draw(0, 1, 4),
            w1_b=draw(1, 1, 1 << 15),
            w2_a=draw(2, 1, 4),
            w2_b=draw(3, 1, 1 << 15),
            t1=draw(4, 1, 1, 100, 100),
            t2=draw(5, 1, 1, 100, 100),
        ),
        Hadamard(
            w1_a=draw(0, 1 << 15, 100),
            w1_b=draw(1, 100, 1 << 15),
            w2_a=draw(0, 1 << 15, 100),
            w2_b=draw(1, 100, 1 << 15),
        ),
    ],
    ids=["tucker", "lokr with a core", "loha with cores", "loha of many ranks"],
)
def test_what_cannot_be_had_from_factors_is_refused_before_it_is_formed(delta: Delta) -> None:
    with pytest.raises(BadWeights, match="more than any layer"):
        truncate_delta(NAME, delta, RankRule(2))


def test_numbers_that_overflow_are_a_named_error() -> None:
    large = torch.full((8, 8), 1e38)
    for delta in (Kronecker(w1=large, w2=large), LowRank(up=large, down=large, scale=1e30)):
        with pytest.raises(BadWeights, match="cannot be decomposed"):
            truncate_delta(NAME, delta, RankRule(2))
