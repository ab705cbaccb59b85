"""Some rows of a delta: where one layer of a model holds several layers of another layout in its rows, in which order.

Exact for every kind: rows of a change that do not depend on each other are cut out of its factors; kinds whose rows do
depend on each other are refused with the reason, except where all rows stay and only change places.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from .base import Delta, count_rows, to_float32
from .dense import BiasOnly, Dense, Norm, SetWeight, Sum
from .dora import Dora
from .lowrank import LowRank
from .products import Hadamard, Kronecker
from .residual import Residual
from .rotations import BOFT, OFT, PeftBOFT, PeftOFT, RotationOFT
from .row_part import RowChoice, RowPart
from .scaling import IA3, GLoRA, PeftIA3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_FIX = "apply it to a model in the layout that it was trained on"


def take_rows(delta: Delta, ranges: Sequence[tuple[int, int]], total: int) -> Delta:
    """What a delta of a weight with total rows does to the rows of these ranges (start, length), in their order.

    Raises BadWeights for ranges outside the weight, for a delta of another number of rows, and, with the reason, where
    the change of some rows depends on others that are left out (DoRA along inputs, PiSSA, OLoRA, BOFT, OFT whose blocks
    are cut through).
    """
    choice = RowChoice(tuple(ranges), total)
    if not choice.ranges or any(start < 0 or length < 1 or start + length > total for start, length in choice.ranges):
        raise BadWeights(
            f"rows {list(choice.ranges)} are not inside a weight of {total} rows", fix="check the base model"
        )
    extent = delta.extent
    if extent is not None and extent.rows != total:
        raise BadWeights(
            f"changes {extent.rows} rows, and the layers of this model that it is for have {total} together",
            fix="use it with the base model it was trained for",
        )
    if delta.bias is not None and delta.bias.numel() != total:
        raise BadWeights(f"a bias of {delta.bias.numel()} does not fit {total} outputs", fix="check the base model")
    if choice.ranges == ((0, total),):
        return delta
    taken = _take(delta, choice)
    return taken if delta.bias is None else replace(taken, bias=choice.pick(delta.bias.reshape(-1)))


_VALUES: dict[type[Delta], str] = {PeftBOFT: "scale_s", IA3: "weight", Norm: "diff"}
"""Attribute that has a value for each row; of all others the bias."""


def find_rows(delta: Delta) -> int | None:
    """Rows of the weight that a delta was made for; None where it is the same for any number of rows."""
    if delta.extent is not None:
        return delta.extent.rows
    if isinstance(delta, OFT | BOFT):
        return delta.blocks.shape[-3] * delta.blocks.shape[-1] if delta.blocks.ndim > 2 else None
    if isinstance(delta, RotationOFT):
        return delta.oft_diag.shape[0] * delta.oft_diag.shape[-1] if delta.oft_diag.ndim else None
    if isinstance(delta, SetWeight):
        return count_rows(delta.weight)
    values = _VALUES.get(type(delta), "bias")
    tensor = None if isinstance(delta, IA3) and delta.on_input else getattr(delta, values, delta.bias)
    return None if tensor is None else tensor.numel()


def swap_halves(delta: Delta, total: int) -> Delta:
    """The delta for a weight whose two halves of rows have changed places; exact for every kind."""
    if total % 2:
        raise BadWeights(f"a weight of {total} rows has no halves", fix="check the base model")
    return take_rows(delta, ((total // 2, total // 2), (0, total // 2)), total)


@singledispatch
def _take(delta: Delta, choice: RowChoice) -> Delta:
    """Kinds without a rule of their own: their rows depend on each other."""
    if choice.complete:
        return RowPart(inner=replace(delta, bias=None), choice=choice)
    raise BadWeights(
        f"rows of a layer of type {delta.algorithm} depend on rows that lie in other layers of this model", fix=_FIX
    )


@_take.register
def _(delta: LowRank, choice: RowChoice) -> Delta:
    return replace(delta, up=choice.pick(delta.up))


@_take.register
def _(delta: Dense, choice: RowChoice) -> Delta:
    return replace(delta, diff=choice.pick(delta.diff))


@_take.register
def _(delta: Norm, choice: RowChoice) -> Delta:
    return replace(delta, diff=choice.pick(delta.diff.reshape(-1)))


@_take.register
def _(delta: SetWeight, choice: RowChoice) -> Delta:
    return replace(delta, weight=choice.pick(delta.weight))


@_take.register
def _(delta: BiasOnly, choice: RowChoice) -> Delta:
    return delta


@_take.register
def _(delta: Sum, choice: RowChoice) -> Delta:
    return replace(delta, terms=tuple(take_rows(term, choice.ranges, choice.total) for term in delta.terms))


@_take.register
def _(delta: Hadamard, choice: RowChoice) -> Delta:
    axis = 0 if delta.t1 is None else 1
    return replace(
        delta, w1_a=choice.pick(delta.w1_a, axis), w2_a=choice.pick(delta.w2_a, 0 if delta.t2 is None else 1)
    )


@_take.register
def _(delta: Kronecker, choice: RowChoice) -> Delta:
    """Rows of the first operand where each of them is chosen whole."""
    small = delta.w1 if delta.w1 is not None else delta.w1_a
    rows = count_rows(small) if small is not None else 0
    blocks = choice.in_blocks(choice.total // rows) if rows and choice.total % rows == 0 else None
    if blocks is None or small is None:
        return RowPart(inner=replace(delta, bias=None), choice=choice)
    cut = blocks.pick(small)
    return replace(delta, w1=cut) if delta.w1 is not None else replace(delta, w1_a=cut)


@_take.register
def _(delta: Dora, choice: RowChoice) -> Delta:
    if delta.axis == "out":
        magnitude = choice.pick(delta.magnitude.reshape(-1)).reshape(-1, *(1,) * (delta.magnitude.ndim - 1))
    elif choice.complete:
        magnitude = delta.magnitude
    else:
        raise BadWeights(
            "a DoRA along the inputs is measured over all rows of a layer, and this model has them in several", fix=_FIX
        )
    return replace(delta, inner=_take(delta.inner, choice), magnitude=magnitude)


@_take.register
def _(delta: Residual, choice: RowChoice) -> Delta:
    if choice.complete:
        return RowPart(inner=replace(delta, bias=None), choice=choice)
    raise BadWeights(
        f"{delta.start} was taken out of the layer whole, and this model has it in several layers", fix=_FIX
    )


@_take.register
def _(delta: OFT, choice: RowChoice) -> Delta:
    blocks = choice.in_blocks(delta.blocks.shape[-1])
    if blocks is None:
        return _refuse_crossing(delta, choice, delta.blocks.shape[-1])
    rescale = None if delta.rescale is None else choice.pick(delta.rescale.reshape(-1))
    scaled = _constrain(delta.blocks, delta.constraint, choice.total)
    return replace(delta, blocks=blocks.pick(scaled), constraint=0.0, rescale=rescale)


def _constrain(blocks: Tensor, constraint: float, rows: int) -> Tensor:
    """Blocks with a constraint over all blocks of the layer worked in."""
    if constraint <= 0:
        return blocks
    stored = to_float32(blocks)
    norm = float(torch.linalg.vector_norm(stored - stored.transpose(-1, -2))) + 1e-8
    return stored * min(1.0, constraint * rows / norm)


@_take.register
def _(delta: RotationOFT, choice: RowChoice) -> Delta:
    blocks = choice.in_blocks(delta.oft_diag.shape[-1])
    if blocks is None:
        return _refuse_crossing(delta, choice, delta.oft_diag.shape[-1])
    return replace(delta, oft_diag=blocks.pick(delta.oft_diag))


def _refuse_crossing(delta: Delta, choice: RowChoice, size: int) -> Delta:
    if choice.complete:
        return RowPart(inner=replace(delta, bias=None), choice=choice)
    raise BadWeights(f"OFT's blocks of {size} rows reach from one layer of this model into the next", fix=_FIX)


@_take.register
def _(delta: PeftOFT, choice: RowChoice) -> Delta:
    return delta


@_take.register
def _(delta: PeftBOFT, choice: RowChoice) -> Delta:
    return delta if delta.scale_s is None else replace(delta, scale_s=choice.pick(delta.scale_s.reshape(-1)))


@_take.register
def _(delta: IA3, choice: RowChoice) -> Delta:
    return delta if delta.on_input else replace(delta, weight=choice.pick(delta.weight.reshape(-1)))


@_take.register
def _(delta: PeftIA3, choice: RowChoice) -> Delta:
    if delta.on_input or (delta.on_input is None and delta.factor.numel() != choice.total):
        return replace(delta, on_input=True)
    return replace(delta, factor=choice.pick(to_float32(delta.factor).reshape(-1)), on_input=False)


@_take.register
def _(delta: GLoRA, choice: RowChoice) -> Delta:
    return (
        replace(delta, b1=choice.pick(delta.b1)) if delta.layout == "new" else replace(delta, b2=choice.pick(delta.b2))
    )
