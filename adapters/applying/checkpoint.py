"""A checkpoint file on disk, tensor by tensor: safetensors streamed, pickled ones through the restricted reader."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch

from ...core.errors import BadWeights
from ...core.tensor_files.safetensors_io import Entry, dtype_names, encode_tensor, read_header
from ...core.tensor_files.torch_files import find_state_dict, read_checkpoint
from ..modules.architectures import SUPPORTED
from ..modules.parts import PARTS, UNET
from ..modules.spellings import find_names
from ..modules.targets import find_slots
from ..reading.files import PICKLED, WRAPPERS
from .quantised import Storage, StorageIndex
from .quantised_names import find_packed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from ..modules.targets import Parameter, Slot

CHUNK = 1 << 22
GGUF = b"GGUF"


@cache
def _list_dtypes() -> dict[str, torch.dtype]:
    return {name: dtype for dtype, name in dtype_names().items()}


def find_dtype(entry: Entry, where: str) -> torch.dtype:
    """The dtype of an entry. Raises BadWeights for one that this torch lacks."""
    dtype = _list_dtypes().get(entry.dtype)
    if dtype is None:
        raise BadWeights(f"has the dtype {entry.dtype}, which this torch cannot read", where=where)
    return dtype


class Checkpoint(ABC):
    """Names, dtypes and shapes first, contents on demand.

    entries: name → dtype as safetensors spells it, shape, and span of its bytes in a safetensors file, in the file's
    order. part: the part whose own state dict this is, None for a whole checkpoint. rest: names that hold no tensor.
    """

    rest: tuple[str, ...] = ()

    def __init__(self, path: Path, entries: dict[str, Entry], metadata: dict[str, str]) -> None:
        self.path, self.entries, self.metadata = path, entries, metadata
        if (packed := find_packed(entries)) is not None:
            key, what = packed
            fix = "use the model before it was quantised"
            raise BadWeights(f"holds {what}, which cannot be computed with", where=f"{path}, {key}", fix=fix)
        self.part = _find_part(entries)
        self._storages = StorageIndex(entries, metadata, self.tensor)
        self.slots: dict[tuple[str, Parameter], Slot] = find_slots(entries, self.part)
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

    def empty(self, name: str) -> Tensor:
        """A tensor of the right dtype and shape without content."""
        entry = self.entries[name]
        return torch.empty(entry.shape, dtype=find_dtype(entry, f"{self.path}, {name}"), device="meta")

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


class SafetensorsCheckpoint(Checkpoint):
    """A safetensors file, read piece by piece through one open stream."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        header = read_header(path)
        self._stream, self._data = stream, header.data
        by_offset = dict(sorted(header.tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
        super().__init__(path, by_offset, header.metadata)

    def tensor(self, name: str) -> Tensor:
        """Read into memory of its own. Raises BadWeights when the file changes meanwhile."""
        entry = self.entries[name]
        dtype = find_dtype(entry, f"{self.path}, {name}")
        if entry.begin == entry.end:
            return torch.empty(entry.shape, dtype=dtype)
        buffer = bytearray(entry.end - entry.begin)
        self._stream.seek(self._data + entry.begin)
        if self._stream.readinto(buffer) != len(buffer):  # type: ignore[attr-defined]
            raise BadWeights(
                "ended while it was read", where=str(self.path), fix="see whether something changes the file"
            )
        return torch.frombuffer(buffer, dtype=dtype).reshape(entry.shape)

    def raw(self, name: str) -> Iterator[bytes | memoryview]:
        """Pieces of CHUNK bytes."""
        entry = self.entries[name]
        for begin in range(entry.begin, entry.end, CHUNK):
            self._stream.seek(self._data + begin)
            piece = self._stream.read(min(CHUNK, entry.end - begin))
            if len(piece) != min(CHUNK, entry.end - begin):
                raise BadWeights("ended while it was read", where=str(self.path))
            yield piece


class PickledCheckpoint(Checkpoint):
    """A pickled checkpoint, whole in memory; laid out anew by falling alignment."""

    def __init__(self, path: Path) -> None:
        table = find_state_dict(read_checkpoint(path), unwrap=WRAPPERS, where=str(path))
        self._tensors = {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}
        self.rest = tuple(name for name in table if name not in self._tensors)
        super().__init__(path, dict(_lay_out(self._tensors, str(path))), {})

    def tensor(self, name: str) -> Tensor:
        """The tensor in memory."""
        return self._tensors[name]

    def raw(self, name: str) -> Iterator[bytes | memoryview]:
        """One piece."""
        yield encode_tensor(self._tensors[name])


def _lay_out(tensors: dict[str, Tensor], where: str) -> Iterator[tuple[str, Entry]]:
    names, end = dtype_names(), 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        if tensor.dtype not in names:
            raise BadWeights(f"has the dtype {tensor.dtype}, which safetensors lacks", where=f"{where}, key {name!r}")
        begin, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        yield name, Entry(names[tensor.dtype], tuple(tensor.shape), begin, end)


def _find_part(names: Iterable[str]) -> str | None:
    """None where keys carry a checkpoint's prefixes, else the part that knows most of the modules."""
    keys = list(names)
    if find_slots(keys):
        return None
    modules = [key.rpartition(".")[0] for key in keys]
    known = {part: sum(module in find_names(part) for module in modules) for part in PARTS}
    best = max(known, key=lambda part: known[part])
    return best if known[best] else UNET


def open_checkpoint(path: str | os.PathLike[str], stream: BinaryIO | None = None) -> Checkpoint:
    """A checkpoint by the ending of its name; stream: the opened file, needed for safetensors.

    Raises BadWeights for a damaged file or one that is no checkpoint, UnsafeFile for a pickle with more than tensors.
    """
    file = Path(path)
    if file.suffix.lower() in PICKLED:
        return PickledCheckpoint(file)
    if stream is None:
        raise TypeError("a safetensors checkpoint needs its opened file")
    if stream.read(len(GGUF)) == GGUF:
        fix = "use the model before it was quantised, as .safetensors"
        raise BadWeights("is a GGUF file, whose packed weights cannot be computed with", where=str(file), fix=fix)
    return SafetensorsCheckpoint(file, stream)
