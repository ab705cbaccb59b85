"""The tensors of a checkpoint with adapters in them, one by one, in the form and order of the new file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ...core.errors import BadWeights
from ...core.tensor_files.safetensors_io import Entry, dtype_names, encode_tensor
from ...core.tensor_files.tensor_reader import find_dtype
from .accumulate import Workspace
from .changed_rows import PIECE, ChangedRows, RowPiece
from .quantised import PLAIN, Storage
from .quantised_names import HEADER, MARKERS
from .weight_access import WeightAccess
from .weight_writer import find_places
from .wide_inputs import pad_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from .checkpoint import Checkpoint
    from .plan import Change, Plan
    from .weight_access import Target
    from .weight_writer import Order

    Targets = dict[Target, list[Change]]

_WORTH_A_NOTE = 0.01
"""Share of the change that rounding may take away without a word."""


class FileWeights(WeightAccess):
    """The tensors of a checkpoint, by dtype and shape only."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__("", ())
        self._checkpoint, self.slots, self.architecture = checkpoint, checkpoint.slots, checkpoint.architecture

    def get(self, key: str) -> Tensor | None:
        """A tensor without content, or None."""
        return self._checkpoint.empty(key) if key in self._checkpoint.entries else None

    def find_storage(self, key: str) -> Storage:
        """How the file stores a weight."""
        return self._checkpoint.find_storage(key)

    def put(self, key: str, value: Tensor | None) -> None:
        """Files are not changed in place."""
        raise NotImplementedError

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Nothing of a file is held."""
        return iter(())


@dataclass
class Rounding:
    """What storing results in eight bits took away: key → squared norms of the error and of the change."""

    squares: dict[str, tuple[float, float]] = field(default_factory=dict[str, "tuple[float, float]"])
    names: set[str] = field(default_factory=set[str])
    space: Workspace = field(default_factory=Workspace)

    def add(self, key: str, name: str, written: Tensor, exact: Tensor, base: Tensor) -> None:
        """Note rows of one weight, all float32."""
        self.names.add(name)
        error, change = self.squares.get(key, (0.0, 0.0))
        for part in zip(*(tensor.reshape(-1).split(PIECE) for tensor in (written, exact, base)), strict=True):
            space = self.space.take(part[0].shape, exact.device, "difference")
            error += float(torch.linalg.vector_norm(torch.sub(part[0], part[1], out=space))) ** 2
            change += float(torch.linalg.vector_norm(torch.sub(part[1], part[2], out=space))) ** 2
        self.squares[key] = error, change

    def notes(self) -> tuple[str, ...]:
        """How large the error is beside the change."""
        shares = {key: math.sqrt(error / change) if change else 0.0 for key, (error, change) in self.squares.items()}
        if not shares or max(shares.values()) < _WORTH_A_NOTE:
            return ()
        error, change = (sum(pair[side] for pair in self.squares.values()) for side in (0, 1))
        worst = max(shares, key=lambda key: shares[key])
        text = (
            f"{len(shares)} weights are stored in {', '.join(sorted(self.names))}: rounding to eight bits differs from "
            f"the exact result by {math.sqrt(error / change) if change else 0:.0%} of the change "
            f"({shares[worst]:.0%} in {worst}); choose the dtype float16 to keep it"
        )
        return (text,)


class BakedWeights:
    """What a new checkpoint holds.

    entries: name → dtype, shape and span in the new file. metadata: of the old one, less what is no longer true.
    scales: those of the weights that were computed, known when all weights were read.
    """

    def __init__(
        self, source: Checkpoint, weights: FileWeights, plan: Plan, order: Order, dtype: torch.dtype | None
    ) -> None:
        self._source, self._weights, self._dtype = source, weights, dtype
        self._order: Order = order
        self._work: dict[str, Targets] = {key: targets for (_, key), targets in plan.targets.items()}
        self.scales: dict[str, Tensor] = {}
        self.rounding = Rounding()
        biases = self._find_biases()
        self.entries = {**source.entries, **biases} if dtype is None else self._lay_out(dtype, biases)
        dropped = () if dtype is None else (HEADER,)
        self.metadata = {key: value for key, value in source.metadata.items() if key not in dropped}

    @property
    def changed(self) -> frozenset[str]:
        """Keys that adapters change or add."""
        return frozenset(self._work)

    def compute(self, key: str) -> Tensor:
        """A changed tensor, in the dtype of the new file. Raises BadWeights for results that are NaN or infinite."""
        return torch.cat([piece.stored for piece in self._iter_rows(key)])

    def read_pieces(self, key: str) -> Iterator[bytes | memoryview]:
        """A tensor's bytes; in the order of entries."""
        targets, source = self._work.get(key), self._source
        wide = key in source.widened
        if targets is not None:
            for piece in self._iter_rows(key):
                yield encode_tensor(piece.stored)
        elif source.entries[key][:2] == self.entries[key][:2] and not self._is_decoded(key) and not wide:
            yield from source.raw(key)
        else:
            value = source.value(key) if _is_weight(key) else source.tensor(key)
            yield encode_tensor(self._cast(key, pad_columns(value, source.entries[key].shape[1]) if wide else value))

    def _is_decoded(self, key: str) -> bool:
        return self._dtype is not None and _is_weight(key) and self._source.find_storage(key).scale is not None

    def _find_biases(self) -> dict[str, Entry]:
        """Biases that adapters bring and layers lack, behind everything else, in the dtype of the layer's weight."""
        source, found = self._source, dict[str, Entry]()
        end = max(entry.end for entry in source.entries.values())
        for key, targets in self._work.items():
            if key not in source.entries:
                ((module, _), changes), *_ = targets.items()
                rows = max(change.delta.bias.numel() for change in changes if change.delta.bias is not None)
                weight = source.empty(source.slots[module, "weight"].key)
                dtype = weight.dtype if weight.dtype in PLAIN else torch.float32
                found[key] = Entry(dtype_names()[dtype], (rows,), end, end + rows * dtype.itemsize)
                end = found[key].end
        return found

    def _lay_out(self, dtype: torch.dtype, biases: dict[str, Entry]) -> dict[str, Entry]:
        """Entries in the order of the old file, the larger dtypes first, so that all stay aligned."""
        source, names, dropped = self._source, dtype_names(), set[str]()
        dtypes: dict[str, torch.dtype] = {}
        for key, entry in source.entries.items():
            own = find_dtype(entry, f"{source.path.name}, {key}")
            if _is_weight(key) and (own not in PLAIN or source.list_companions(key)):
                source.find_storage(key)
                dropped.update(source.list_companions(key))
                own = dtype
            dtypes[key] = dtype if own.is_floating_point else own
            if key.rpartition(".")[2] in MARKERS:
                dropped.add(key)
        shapes = {key: entry.shape for key, entry in (source.entries | biases).items() if key not in dropped}
        kinds = dtypes | dict.fromkeys(biases, dtype)
        found, end = dict[str, Entry](), 0
        for key in sorted(shapes, key=lambda key: -kinds[key].itemsize):
            begin, end = end, end + math.prod(shapes[key]) * kinds[key].itemsize
            found[key] = Entry(names[kinds[key]], shapes[key], begin, end)
        return found

    def _cast(self, key: str, value: Tensor) -> Tensor:
        """In the dtype of the new file. Raises BadWeights when that does not hold it."""
        name = f"{self._source.path.name}, {key}"
        cast = value.to(find_dtype(self.entries[key], name))
        if cast.is_floating_point() and bool((torch.isfinite(value.float()) & ~torch.isfinite(cast.float())).any()):
            raise BadWeights(f"has values that {self.entries[key].dtype} does not hold", where=name, fix="use bfloat16")
        return cast

    def _iter_rows(self, key: str) -> Iterator[RowPiece]:
        """Rows of a changed tensor, stored in the dtype of the new file."""
        entry, where = self.entries[key], f"{self._source.path.name}, {key}"
        dtype, keep = find_dtype(entry, where), self._dtype is None
        places = find_places(self._weights, self._work[key])
        rows = ChangedRows(self._source, key, entry.shape, places, self._order, dtype, keep, self.rounding.space)
        try:
            for piece in rows:
                if piece.written is not None:
                    self.rounding.add(key, entry.dtype, piece.written, piece.total, piece.base.to(torch.float32))
                yield piece if rows.coarse else piece._replace(stored=self._cast(key, piece.stored))
        except BadWeights as error:
            raise BadWeights(error.what, where=where, fix=error.fix) from error
        if rows.grown is not None and rows.storage.scale is not None:
            self.scales[rows.storage.scale] = rows.grown


def _is_weight(key: str) -> bool:
    return key.endswith(("weight", ".in_proj_weight"))
