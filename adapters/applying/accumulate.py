"""Weight plus changes, computed in float32 in pieces that stay in the CPU's cache, and cast once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from ...core.errors import BadWeights
from ..deltas.base import count_columns
from ..deltas.lowrank import LowRank
from ..modules.targets import Piece
from .float8 import FLOAT8, check_reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ..deltas.base import Delta
    from ..modules.targets import Parameter, Slot

SMALL = 1 << 16
"""Weights with fewer elements keep their change whole: that costs less than two factors."""
PIECE = 1 << 20
"""Elements of the float32 work space for each thread, 4 MiB: less slows the product, more leaves the cache."""
MOST_THREADS = 4
"""For which the work space grows."""
BOUNDED = 1 << 20
"""Weights with fewer elements are looked through for infinity: that costs less than a bound of the change."""


class ComputedChange(NamedTuple):
    """A change at strength 1, float32: up [O, r] and down [r, I*k*k], or whole in the weight's shape without down."""

    up: Tensor
    down: Tensor | None = None

    def add_to(self, total: Tensor, begin: int, end: int, strength: float) -> None:
        """Add rows begin to end, times strength, to total (contiguous, those rows)."""
        if self.down is None:
            total.add_(self.up[begin:end], alpha=strength)
        else:
            total.view(end - begin, -1).addmm_(self.up[begin:end], self.down, alpha=strength)

    def find_reach(self) -> float:
        """What no value of a product exceeds, at strength 1: |up| * |down| (Cauchy, Schwarz); infinity without down."""
        if self.down is None:
            return math.inf
        return float(torch.linalg.vector_norm(self.up) * torch.linalg.vector_norm(self.down))


def compute_change(delta: Delta, base: Tensor, parameter: Parameter) -> ComputedChange:
    """A delta's change of this base in the smallest form that loses nothing; base in its own dtype."""
    if parameter == "bias":
        change = delta.bias_change(base)
        return ComputedChange(
            torch.zeros_like(base, dtype=torch.float32) if change is None else change.reshape(base.shape)
        )
    if isinstance(delta, LowRank) and base.numel() >= SMALL and delta.fits_whole(base.shape):
        up, down = delta.factors()
        return ComputedChange(up.to(base.device), down.to(base.device))
    return ComputedChange(delta.change(base.to(torch.float32)).reshape(base.shape))


class Workspace:
    """Buffers that are reused from one weight to the next: memory that is taken and given back comes apart."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, shape: Sequence[int], device: torch.device, name: str = "") -> Tensor:
        """An uninitialised float32 tensor of that shape, contiguous; valid until the next call with this name."""
        count, buffer = math.prod(shape), self._buffers.get(name)
        if buffer is None or buffer.numel() < count or buffer.device != device:
            buffer = self._buffers[name] = torch.empty(max(count, PIECE), device=device)
        return buffer[:count].view(*shape)


class PlacedChange(NamedTuple):
    """A change, its strength, and where its rows stand in the weight that is written; () for all rows in order."""

    change: ComputedChange
    strength: float
    pieces: tuple[Piece, ...] = ()

    def add_to(self, total: Tensor, begin: int) -> None:
        """Add what lies in rows begin and following of the weight; total: these rows, contiguous."""
        end = begin + len(total)
        for stored, own, length in self.pieces or (Piece(begin, begin, len(total)),):
            first, last = max(begin, stored), min(end, stored + length)
            if first < last:
                rows = total[first - begin : last - begin]
                self.change.add_to(rows, own + first - stored, own + last - stored, self.strength)

    def meets(self, begin: int, end: int) -> bool:
        """Whether it changes any of the rows from begin to end."""
        return not self.pieces or any(one.stored < end and begin < one.stored + one.length for one in self.pieces)


def write_sum(
    into: Tensor,
    base: Tensor,
    changes: Sequence[PlacedChange],
    space: Workspace,
    first: int = 0,
    largest: float | None = None,
) -> float | None:
    """into = base + sum of strength * change, in float32 with one cast; into and base have one shape, any strides.

    first: number of the first row of both in the weight that the changes are for. Rows that no change meets are
    copied. largest: what no absolute value of base exceeds, infinity where that is not known yet; it is returned as
    known after this, and results are not looked through where it and the changes cannot reach infinity. None: do
    without. Raises BadWeights when a result is NaN or more than into's dtype holds.
    """
    direct = into.dtype == torch.float32 and into.is_contiguous()
    reach = math.inf if largest is None else _find_reach(base, changes)
    safe = largest is not None and 2 * (largest + reach) <= torch.finfo(into.dtype).max
    found = 0.0
    for begin, end in _cut_rows(base):
        source, target = base[begin:end], into[begin:end]
        met = [one for one in changes if one.meets(first + begin, first + end)]
        if not met:
            target.copy_(source)
            found = math.inf
            continue
        total = target if direct else space.take(source.shape, base.device)
        total.copy_(source)
        for one in met:
            one.add_to(total, first + begin)
        if not direct:
            target.copy_(total)
        if not safe:
            found = max(found, _check_range(total, target, source))
    return largest if safe or largest is None else min(largest, found + reach)


def _find_reach(base: Tensor, changes: Sequence[PlacedChange]) -> float:
    """What no sum of the changes exceeds; infinity where finding out does not pay."""
    if base.numel() < BOUNDED:
        return math.inf
    return sum(abs(one.strength) * one.change.find_reach() for one in changes)


def _cut_rows(base: Tensor) -> Iterator[tuple[int, int]]:
    """First row and the one behind the last of each piece."""
    rows, width = base.shape[0], max(1, count_columns(base.shape))
    piece = PIECE * min(torch.get_num_threads(), MOST_THREADS)
    pieces = 1 if base.device.type != "cpu" else min(rows, -(-rows * width // piece))
    step = max(1, -(-rows // max(1, pieces)))
    for begin in range(0, rows, step):
        yield begin, min(begin + step, rows)


def join_products(changes: Sequence[PlacedChange]) -> list[PlacedChange]:
    """Products that stand in the same rows as one product, of the ranks' sum: one pass instead of several."""
    products: dict[tuple[Piece, ...], list[PlacedChange]] = {}
    joined: list[PlacedChange] = []
    for one in changes:
        if one.change.down is None:
            joined.append(one)
        else:
            products.setdefault(one.pieces, []).append(one)
    for pieces, alike in products.items():
        if len(alike) == 1:
            joined.append(alike[0])
            continue
        up = torch.cat([one.change.up * one.strength for one in alike], dim=1)
        down = torch.cat([one.change.down for one in alike if one.change.down is not None])
        joined.append(PlacedChange(ComputedChange(up, down), 1.0, pieces))
    return joined


class SlotChange(NamedTuple):
    """A change of one module, and where that stands in the weight."""

    slot: Slot
    number: int
    delta: Delta
    strength: float


def write_sequential(into: Tensor, base: Tensor, changes: Sequence[SlotChange]) -> None:
    """As write_sum, but every change sees the weight that the one before left, in the order of their numbers."""
    value = base.to(torch.float32).clone()
    for slot, _, delta, strength in sorted(changes, key=lambda change: change.number):
        own = slot.view(value)
        delta.add_to(own, own.clone() if delta.uses_base else own, strength)
        if slot.swapped:
            write_swapped(slot, value, own)
    into.copy_(value)
    _check_range(value, into, base)


def write_swapped(slot: Slot, stored: Tensor, own: Tensor) -> None:
    """Put a module's rows where a slot with swapped halves has them."""
    for piece in slot.list_pieces(stored.shape[0]):
        stored[piece.stored : piece.stored + piece.length] = own[piece.own : piece.own + piece.length]


def _check_range(total: Tensor, written: Tensor, base: Tensor) -> float:
    """Raise BadWeights when what was written is no finite number; total is what it was cast from.

    Returns total's largest absolute value.
    """
    if not total.numel():
        return 0.0
    if written.dtype in FLOAT8 and bool(torch.isfinite(base.to(torch.float32)).all()):
        check_reach(total, written.dtype)
    low, high = torch.aminmax(total)
    largest = float(torch.maximum(-low, high))
    if largest <= torch.finfo(written.dtype).max or bool(torch.isfinite(written.to(torch.float32)).all()):
        return largest
    if not bool(torch.isfinite(base.to(torch.float32)).all()):
        raise BadWeights("is NaN or infinite in the model itself", fix="use an undamaged model")
    name = str(written.dtype).removeprefix("torch.")
    raise BadWeights(f"would be NaN or infinite in {name}", fix="use lower strengths")
