"""Rows of a delta: equal to the rows of its change, for every kind that can be cut, and to the change on moved rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.test_deltas import KINDS, LINEAR_ONLY, make
from torch import Tensor

from underdrawing.adapters.deltas.dense import Dense, SetWeight
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.products import Kronecker
from underdrawing.adapters.deltas.row_part import RowPart
from underdrawing.adapters.deltas.rows import swap_halves, take_rows
from underdrawing.core.errors import BadWeights

ROWS = 16
WHOLE = {"dora_in", "boft", "pissa", "olora"}
"""Kinds whose rows depend on each other."""


@pytest.mark.parametrize("kind", [kind for kind in (*KINDS, *LINEAR_ONLY) if kind not in WHOLE])
@given(data=st.data())
@settings(max_examples=5, deadline=None, derandomize=True)
def test_rows_are_those_of_the_whole_change(kind: str, data: st.DataObject) -> None:
    delta, base = make(kind, "linear", data.draw(st.integers(0, 9)))
    step = 4 if kind.startswith("oft") else 1
    start = data.draw(st.integers(0, ROWS // step - 1)) * step
    length = data.draw(st.integers(1, (ROWS - start) // step)) * step
    part = take_rows(delta, [(start, length)], ROWS)
    rows = slice(start, start + length)
    torch.testing.assert_close(part.apply(base[rows], 0.7), delta.apply(base, 0.7)[rows], atol=2e-6, rtol=1e-5)
    bias = delta.bias_change(torch.ones(ROWS))
    if bias is not None:
        found = part.bias_change(torch.ones(length))
        assert found is not None
        assert torch.equal(found, bias[rows])


@pytest.mark.parametrize("kind", [*KINDS, *LINEAR_ONLY])
@pytest.mark.parametrize("shape", ["linear", "3x3"])
def test_halves_change_places(kind: str, shape: str) -> None:
    if kind in LINEAR_ONLY and shape != "linear":
        return
    delta, base = make(kind, shape)
    moved = torch.cat([base[8:], base[:8]])
    found, due = swap_halves(delta, ROWS).apply(moved, 0.7), delta.apply(base, 0.7)
    torch.testing.assert_close(found, torch.cat([due[8:], due[:8]]), atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_rows_that_depend_on_others_are_refused_with_the_reason(kind: str) -> None:
    with pytest.raises(BadWeights, match=r"layer.*in the layout") as raised:
        take_rows(make(kind, "linear")[0], [(0, 8)], ROWS)
    assert raised.value.fix


def test_blocks_that_are_cut_through_are_refused() -> None:
    for kind in ("oft", "oft_diag"):
        with pytest.raises(BadWeights, match="blocks of 4 rows"):
            take_rows(make(kind, "linear")[0], [(0, 6)], ROWS)


def test_a_kronecker_product_is_cut_in_its_first_operand_where_it_can_be() -> None:
    delta = Kronecker(w1=torch.randn(4, 2), w2=torch.randn(4, 4))
    assert isinstance(take_rows(delta, [(4, 8)], ROWS), Kronecker)
    part = take_rows(delta, [(3, 8)], ROWS)
    assert isinstance(part, RowPart)
    assert part.extent is not None
    assert (part.extent.rows, part.extent.cols) == (8, 8)
    with pytest.raises(BadWeights, match="8 of 16 rows"):
        part.check((9, 8))


def test_a_magnitude_goes_with_its_rows() -> None:
    inner = LowRank(up=torch.randn(ROWS, 2), down=torch.randn(2, 8))
    delta, base = Dora(inner=inner, magnitude=torch.rand(ROWS), axis="out"), torch.randn(ROWS, 8)
    assert torch.allclose(take_rows(delta, [(8, 8)], ROWS).change(base[8:]), delta.change(base)[8:], atol=1e-6)


MISFITS = {
    "too many rows": (LowRank(up=torch.ones(ROWS + 1, 2), down=torch.ones(2, 8)), "changes 17 rows"),
    "a replaced weight": (SetWeight(weight=torch.ones(12, 8)), "12 rows where 16"),
    "a bias": (Dense(diff=torch.ones(ROWS, 8), bias=torch.ones(3)), "bias of 3"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits_are_refused(name: str) -> None:
    delta, words = MISFITS[name]
    with pytest.raises(BadWeights, match=words):
        take_rows(delta, [(0, 8)], ROWS)


@given(start=st.integers(-3, 20), length=st.integers(-3, 20))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ranges_are_inside_the_weight_or_refused(start: int, length: int) -> None:
    delta: Tensor | LowRank = LowRank(up=torch.ones(ROWS, 2), down=torch.ones(2, 8))
    if start >= 0 and length >= 1 and start + length <= ROWS:
        take_rows(delta, [(start, length)], ROWS).check((length, 8))
    else:
        with pytest.raises(BadWeights, match="not inside"):
            take_rows(delta, [(start, length)], ROWS)


def test_an_odd_number_of_rows_has_no_halves() -> None:
    with pytest.raises(BadWeights, match="no halves"):
        swap_halves(Dense(diff=torch.ones(3, 2)), 3)
