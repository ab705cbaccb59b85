"""A checkpoint file on disk, tensor by tensor: safetensors streamed, pickled ones through the restricted reader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO

import torch

from ...core.errors import BadWeights
from ...core.tensor_files.safetensors_io import Entry
from ...core.tensor_files.tensor_reader import find_dtype, make_reader
from ..modules.architectures import SUPPORTED, UNKNOWN
from ..modules.parts import PARTS, UNET, find_part
from ..modules.spellings import find_names
from ..modules.targets import find_slots
from ..modules.transformer_slots import find_transformer
from .quantised import Storage, StorageIndex
from .quantised_names import find_packed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from ...core.tensor_files.tensor_reader import TensorReader
    from ..modules.targets import Parameter, Slot


class Checkpoint(ABC):
    """Names, dtypes and shapes first, contents on demand.

    entries: name → dtype as safetensors spells it, shape, and span of its bytes in a safetensors file, in the file's
    order. part: the part whose own state dict this is, None for a whole checkpoint. architecture: of a transformer in
    it. rest: names that hold no tensor.
    """

    rest: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is left as it is and might be expected to change."""
    widened: tuple[str, ...] = ()
    """Names whose entry has more columns than what is stored."""

    def __init__(self, path: Path, entries: dict[str, Entry], metadata: dict[str, str]) -> None:
        self.path, self.entries, self.metadata = path, entries, metadata
        if (packed := find_packed(entries)) is not None:
            key, what = packed
            fix = "use the model before it was quantised"
            raise BadWeights(f"holds {what}, which cannot be computed with", where=f"{path}, {key}", fix=fix)
        self.part, self.architecture, self.slots = _find_layers(entries)
        self._storages = StorageIndex(entries, metadata, self.tensor)
        if not self.slots:
            raise BadWeights(
                f"holds no module of {SUPPORTED}",
                where=str(path),
                fix="give a checkpoint in the LDM or diffusers layout",
            )

    @abstractmethod
    def tensor(self, name: str) -> Tensor:
        """A tensor's content; not to be written to."""

    @abstractmethod
    def raw(self, name: str) -> Iterator[bytes | memoryview]:
        """A tensor's bytes in pieces."""

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Rows of a tensor, as `tensor` gives them."""
        return self.tensor(name)[first:last]

    def empty(self, name: str) -> Tensor:
        """A tensor of the right dtype and shape without content."""
        entry = self.entries[name]
        return torch.empty(entry.shape, dtype=find_dtype(entry, f"{self.path}, {name}"), device="meta")

    def widen(self, name: str, columns: int) -> None:
        """Announce a tensor with that many columns: those that it lacks are zero, which is the reader's to add."""
        entry, self.widened = self.entries[name], (*self.widened, name)
        shape = (entry.shape[0], columns, *entry.shape[2:])
        grown = entry._replace(shape=shape, end=entry.begin + (entry.end - entry.begin) * columns // entry.shape[1])
        end, placed = 0, dict[str, Entry]()
        for key, own in {**self.entries, name: grown}.items():
            placed[key] = own._replace(begin=end, end=end + own.end - own.begin)
            end = placed[key].end
        self.entries = placed

    def find_storage(self, name: str) -> Storage:
        """How a weight is stored. Raises BadWeights for formats that cannot be computed with, by name."""
        entry = self.entries[name]
        try:
            return self._storages.find(name, find_dtype(entry, name), entry.shape)
        except BadWeights as error:
            raise BadWeights(error.what, where=f"{self.path.name}, {error.where}", fix=error.fix) from error

    def list_companions(self, name: str) -> list[str]:
        """Entries that say how a weight is stored and mean nothing without it."""
        return self._storages.companions(name)

    def value(self, name: str) -> Tensor:
        """A weight as a model uses it: float32 where codes and a scale are stored, else as `tensor`."""
        storage = self.find_storage(name)
        stored = self.tensor(name)
        return stored if storage.scale is None else storage.decode(stored, self.tensor(storage.scale))


class FileCheckpoint(Checkpoint):
    """A safetensors or pickled file."""

    def __init__(self, reader: TensorReader) -> None:
        self._reader, self.rest = reader, reader.rest
        super().__init__(reader.path, reader.entries, reader.metadata)

    def tensor(self, name: str) -> Tensor:
        """Read it. Raises BadWeights when the file changes meanwhile."""
        return self._reader.tensor(name)

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Only these are read."""
        return self._reader.rows(name, first, last)

    def raw(self, name: str) -> Iterator[memoryview]:
        """As the reader gives them."""
        return self._reader.raw(name)


def _find_layers(entries: Mapping[str, Entry]) -> tuple[str | None, str, dict[tuple[str, Parameter], Slot]]:
    """Part whose own state dict this is, the architecture of a transformer in it, and where its layers stand."""
    slots = find_slots(entries)
    if any(find_part(module) == UNET for module, _ in slots):
        return None, UNKNOWN, slots
    found = find_transformer({key: entry.shape for key, entry in entries.items()})
    if found is not None:
        return None, found.architecture, {**slots, **found.slots}
    part = None if slots else _find_part(entries)
    return part, UNKNOWN, slots or find_slots(entries, part)


def _find_part(names: Iterable[str]) -> str:
    """The part that knows most of the modules."""
    modules = [key.rpartition(".")[0] for key in names]
    known = {part: sum(module in find_names(part) for module in modules) for part in PARTS}
    best = max(known, key=lambda part: known[part])
    return best if known[best] else UNET


def open_checkpoint(path: str | os.PathLike[str], stream: BinaryIO | None = None) -> Checkpoint:
    """A checkpoint by the ending of its name; stream: the opened file, needed for safetensors.

    Raises BadWeights for a damaged file or one that is no checkpoint, UnsafeFile for a pickle with more than tensors.
    """
    return FileCheckpoint(make_reader(path, stream))
