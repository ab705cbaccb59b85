"""Values of a checkpoint, read in spans of flat elements: the leaves and inner nodes of a merge."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..core.errors import BadWeights
from ..core.tensor_files.tensor_reader import find_dtype
from .keys import normalise_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ..adapters.applying.quantised import StorageIndex
    from ..core.tensor_files.tensor_reader import TensorReader

ELEMENTS = 1 << 17
"""Elements of a chunk: 256 KiB in half precision, which stay in a core's own cache."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Shaped(NamedTuple):
    """dtype and shape of a value."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def row(self) -> int:
        """Elements of one row of the first dimension."""
        return math.prod(self.shape[1:])


class Values(ABC):
    """entries: key → dtype and shape. metadata: what the file says of itself. label: its name in messages."""

    label: str
    entries: Mapping[str, Shaped]
    metadata: Mapping[str, str]

    @abstractmethod
    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """Elements begin to end of a value, flat, in its dtype or float32; valid until the next call.

        wanted: the dtype that the caller rounds to, so that a node may compute in it where that is exact.
        """

    def read_into(self, key: str, begin: int, end: int, room: Tensor) -> Tensor:
        """Elements begin to end, rounded into a flat tensor. Returns them as they were before, or that tensor."""
        value = self.read(key, begin, end, room.dtype)
        room.copy_(value)
        return value

    def find_grain(self, key: str) -> int:
        """Spans must begin and end at multiples of this many elements."""
        del key
        return 1

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """The file, and the name in it, of which a value is a plain copy; None where something is computed."""
        del key


def iter_spans(count: int, grain: int) -> Iterator[tuple[int, int]]:
    """Spans of about ELEMENTS elements, in multiples of grain."""
    step = max(grain, ELEMENTS // grain * grain)
    return ((begin, min(begin + step, count)) for begin in range(0, count, step))


class Buffer:
    """Bytes that are used again and again, and grow where they must."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._given: tuple[int, torch.dtype | None] = (0, None)
        self._views = memoryview(self._bytes), torch.empty(0)

    def take(self, count: int, dtype: torch.dtype) -> tuple[memoryview, Tensor]:
        """Bytes for count elements, and the same as a tensor."""
        if self._given != (count, dtype):
            size = count * dtype.itemsize
            if len(self._bytes) < size:
                self._bytes = bytearray(size)
            self._given = count, dtype
            self._views = memoryview(self._bytes)[:size], torch.frombuffer(self._bytes, dtype=dtype, count=count)
        return self._views


class FileValues(Values):
    """A file under the present names of its keys. names: key → name in the file, for a view of a part of it."""

    def __init__(self, reader: TensorReader, storages: StorageIndex, names: Mapping[str, str] | None = None) -> None:
        self.reader, self._storages, self.label = reader, storages, reader.path.name
        self._names = dict(names) if names is not None else {normalise_name(name): name for name in reader.entries}
        self.metadata = reader.metadata
        self._scales = {key: s for key, name in self._names.items() if (s := self._find_scale(name)) is not None}
        self.entries = {key: self._describe(key, name) for key, name in self._names.items()}
        self._buffer, self._decoded = Buffer(), ("", torch.empty(0))

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """From the file."""
        if key in self._scales:
            return self._decode(key)[begin:end]
        dtype = self.entries[key].dtype
        view, tensor = self._buffer.take(end - begin, dtype)
        self.reader.read(self._names[key], begin * dtype.itemsize, view)
        return tensor

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """Itself, unless codes are decoded."""
        return None if key in self._scales else (self, key)

    def read_stored(self, key: str, begin: int, view: memoryview) -> None:
        """Bytes of a value as the file stores them."""
        self.reader.read(self._names[key], begin, view)

    def _find_scale(self, name: str) -> str | None:
        """Name of the scale beside a weight of codes. Raises BadWeights for what cannot be computed with."""
        dtype = find_dtype(self.reader.entries[name], f"{self.label}, {name}")
        if dtype in FLOATS or not (name.endswith("weight") and (dtype.is_floating_point or dtype == torch.int8)):
            return None
        try:
            return self._storages.find(name, dtype, self.reader.entries[name].shape).scale
        except BadWeights as error:
            raise BadWeights(error.what, where=f"{self.label}, {name}", fix=error.fix) from error

    def _describe(self, key: str, name: str) -> Shaped:
        entry = self.reader.entries[name]
        own = find_dtype(entry, f"{self.label}, {name}")
        return Shaped(torch.float16 if key in self._scales else own, entry.shape)

    def _decode(self, key: str) -> Tensor:
        if self._decoded[0] != key:
            name, entry = self._names[key], self.reader.entries[self._names[key]]
            storage = self._storages.find(name, find_dtype(entry, name), entry.shape)
            value = storage.decode(self.reader.tensor(name), self.reader.tensor(self._scales[key]))
            self._decoded = key, value.reshape(-1)
        return self._decoded[1]
