"""The rows of one weight of a file with changes, piece by piece, so that memory does not grow with the weight."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch

from ...core.errors import BadWeights
from ...core.tensor_files.safetensors_io import dtype_names
from ..deltas.base import count_columns
from .accumulate import PlacedChange, Workspace, compute_change, write_sum
from .quantised import Storage
from .weight_writer import is_sequential, place_changes, write_places
from .wide_inputs import pad_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ..deltas.base import Delta
    from .accumulate import ComputedChange
    from .checkpoint import Checkpoint
    from .weight_access import Target
    from .weight_writer import Order, Place

PIECE = 1 << 20
"""Elements of a piece, 4 MiB in float32: with pieces of 16 MiB the heap came apart, and memory grew with the file."""


class RowPiece(NamedTuple):
    """Rows of a weight before and after the changes, as they are stored, and, where that is in eight bits, as they are
    read again. All but what is stored is valid until the next piece."""

    base: Tensor
    total: Tensor
    stored: Tensor
    written: Tensor | None = None


@dataclass
class ChangedRows:
    """A weight of a checkpoint that adapters change, or a bias that they bring.

    dtype: of the result. keep: the result is stored in the form that the file has, in eight bits perhaps.
    space: may be shared by weights that are computed one after the other. grown: the scale of a weight that is stored
    with one, once all rows were computed.
    """

    source: Checkpoint
    key: str
    shape: tuple[int, ...]
    places: Sequence[Place]
    order: Order
    dtype: torch.dtype
    keep: bool
    space: Workspace = field(default_factory=Workspace)
    grown: Tensor | None = None

    @cached_property
    def storage(self) -> Storage:
        """How the file stores it."""
        held = self.key in self.source.entries
        return self.source.find_storage(self.key) if held else Storage(self.dtype)

    @property
    def coarse(self) -> bool:
        """Whether the result is rounded to eight bits."""
        return self.keep and self.storage.is_coarse

    def __iter__(self) -> Iterator[RowPiece]:
        """In order. Raises BadWeights for results that are NaN or infinite, or more than the dtype holds."""
        scale = self.source.tensor(self.storage.scale) if self.storage.scale else None
        if not self.coarse or scale is None:
            for _, base, total in self._iter_totals(scale):
                yield self._encode(base, total, None)[0] if self.coarse else RowPiece(base, total, total)
            return
        parts: list[Tensor] = []
        whole = self._grow_single(scale) if scale.numel() == 1 else None
        for first, base, total in self._iter_totals(scale):
            own = self._cut_scale(scale, first, len(total)) if whole is None else whole
            piece, grown = self._encode(base, total, own)
            assert grown is not None
            parts.append(grown.reshape(-1))
            yield piece
        self.grown = (torch.cat(parts) if whole is None else whole).reshape(scale.shape)

    def _encode(self, base: Tensor, total: Tensor, scale: Tensor | None) -> tuple[RowPiece, Tensor | None]:
        written = self._scratch.take(total.shape, total.device, "written")
        codes, grown = self.storage.encode(total, scale, written)
        self.storage.decode(codes, grown, written)
        if codes.numel() and not bool(torch.isfinite(torch.stack(torch.aminmax(written))).all()):
            name = dtype_names()[codes.dtype]
            raise BadWeights(f"would be NaN or infinite in {name}", fix="use lower strengths")
        return RowPiece(base, total, codes, written), grown

    def _grow_single(self, scale: Tensor) -> Tensor:
        """The one scale of all rows, larger where it must be."""
        grown = scale
        for _, _, total in self._iter_totals(scale):
            grown = torch.maximum(grown, self.storage.grow(total, scale).reshape(scale.shape))
        return grown

    def _iter_totals(self, scale: Tensor | None) -> Iterator[tuple[int, Tensor, Tensor]]:
        """First row, rows before and rows after."""
        wide = torch.float32 if self.coarse or scale is not None else self.dtype
        if not self._streams:
            base = self._read(0, self.shape[0], scale)
            total = base.to(wide, copy=True)
            write_places(total, base, self.places, self.order, _compute, self.space)
            yield 0, base, total
            return
        for first in range(0, self.shape[0], self._step):
            last = min(first + self._step, self.shape[0])
            base = self._read(first, last, scale)
            if self.coarse:
                total = self._scratch.take(base.shape, base.device, "total")
            else:
                total = torch.empty(base.shape, dtype=wide)
            write_sum(total, base, self._placed, self.space, first)
            yield first, base, total

    @cached_property
    def _placed(self) -> list[PlacedChange]:
        empty = torch.zeros(()).expand(self.shape)
        return place_changes(empty, self.places, _compute)

    @cached_property
    def _streams(self) -> bool:
        """Whether no change needs the whole weight."""
        return not any(
            place.slot.transposed
            or is_sequential(place.changes, place.target, self.order)
            or any(change.delta.uses_base for change in place.changes)
            for place in self.places
        )

    @cached_property
    def _step(self) -> int:
        """Rows of a piece: whole blocks of the scale, where it has several entries."""
        blocks = self.storage.blocks
        block = blocks[0] if self.storage.scale and blocks and blocks != self.shape else 1
        rows = max(1, PIECE // max(1, count_columns(self.shape)))
        return max(1, rows // block) * block

    def _read(self, first: int, last: int, scale: Tensor | None) -> Tensor:
        if self.key not in self.source.entries:
            return torch.zeros((last - first, *self.shape[1:]), dtype=self.dtype)
        stored = self.source.rows(self.key, first, last)
        if self.key in self.source.widened:
            stored = pad_columns(stored, self.shape[1])
        if scale is None:
            return stored
        into = self._scratch.take(stored.shape, stored.device, "base")
        return self.storage.decode(stored, self._cut_scale(scale, first, last - first), into)

    @cached_property
    def _scratch(self) -> Workspace:
        """The space for pieces; for whole weights one that goes with them."""
        return self.space if self._streams else Workspace()

    def _cut_scale(self, scale: Tensor, first: int, count: int) -> Tensor:
        """The entries of a scale that are for some rows."""
        if scale.numel() == 1 or count == self.shape[0]:
            return scale
        grid = scale.reshape(self.storage.grid(self.shape))
        if len(grid) == 1:
            return grid
        block = self.storage.blocks[0]
        return grid[first // block : math.ceil((first + count) / block)]


def _compute(target: Target, delta: Delta, own: Tensor) -> ComputedChange:
    return compute_change(delta, own, target[1])
