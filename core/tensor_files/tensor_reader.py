"""A file of tensors, read piece by piece: safetensors through one open stream, pickled ones memory-mapped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch

from ..errors import BadWeights
from ..regular_files import open_regular_file
from .safetensors_io import Entry, dtype_names, encode_tensor, read_header
from .streams import OPEN_IT, read_at
from .torch_files import PICKLED, WRAPPERS, find_state_dict, read_checkpoint

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Mapping

    from torch import Tensor

CHUNK = 1 << 22
GGUF = b"GGUF"


@cache
def _list_dtypes() -> dict[str, torch.dtype]:
    return {name: dtype for dtype, name in dtype_names().items()}


def find_dtype(entry: Entry, where: str) -> torch.dtype:
    """The dtype of an entry. Raises BadWeights for one that this torch lacks."""
    dtype = _list_dtypes().get(entry.dtype)
    if dtype is None:
        raise BadWeights(f"has the dtype {entry.dtype}, which this torch cannot read", where=where, fix="update torch")
    return dtype


class TensorReader(ABC):
    """Names, dtypes and shapes first, contents on demand.

    entries: name → dtype as safetensors spells it, shape, and span of its bytes in a safetensors file, in the file's
    order. metadata: of the safetensors header. rest: names that hold no tensor.
    """

    rest: tuple[str, ...] = ()

    def __init__(self, path: Path, entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> None:
        self.path, self.entries, self.metadata = path, dict(entries), dict(metadata)

    @abstractmethod
    def tensor(self, name: str) -> Tensor:
        """A tensor's content; not to be written to. Raises BadWeights."""

    @abstractmethod
    def read(self, name: str, begin: int, into: memoryview) -> None:
        """Fill a buffer with a tensor's bytes from begin on. Raises BadWeights."""

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Rows first to last of a tensor of at least one axis, in memory of their own; without reading the others."""
        entry = self.entries[name]
        dtype, shape = find_dtype(entry, f"{self.path}, {name}"), (last - first, *entry.shape[1:])
        row = math.prod(entry.shape[1:]) * dtype.itemsize
        if not (last - first) * row:
            return torch.empty(shape, dtype=dtype)
        buffer = bytearray((last - first) * row)
        self.read(name, first * row, memoryview(buffer))
        return torch.frombuffer(buffer, dtype=dtype).reshape(shape)

    def raw(self, name: str) -> Iterator[memoryview]:
        """A tensor's bytes in pieces of at most CHUNK; each is valid until the next."""
        entry = self.entries[name]
        size = entry.end - entry.begin
        buffer = memoryview(bytearray(min(size, CHUNK)))
        for begin in range(0, size, CHUNK):
            piece = buffer[: min(CHUNK, size - begin)]
            self.read(name, begin, piece)
            yield piece


class SafetensorsReader(TensorReader):
    """A safetensors file."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        header = read_header(path)
        self._stream, self._data = stream, header.data
        by_offset = dict(sorted(header.tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
        super().__init__(path, by_offset, header.metadata)

    def tensor(self, name: str) -> Tensor:
        """Read into memory of its own."""
        entry = self.entries[name]
        dtype = find_dtype(entry, f"{self.path}, {name}")
        if entry.begin == entry.end:
            return torch.empty(entry.shape, dtype=dtype)
        buffer = bytearray(entry.end - entry.begin)
        self.read(name, 0, memoryview(buffer))
        return torch.frombuffer(buffer, dtype=dtype).reshape(entry.shape)

    def read(self, name: str, begin: int, into: memoryview) -> None:
        """Read from the stream."""
        entry = self.entries[name]
        if begin < 0 or begin + len(into) > entry.end - entry.begin:
            raise ValueError(f"bytes {begin} to {begin + len(into)} are not all of {name}")
        try:
            read_at(self._stream, self._data + entry.begin + begin, into, str(self.path))
        except BadWeights as error:
            fix = "see whether something changes the file"
            raise BadWeights("ended while it was read", where=str(self.path), fix=fix) from error
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise BadWeights(what, where=str(self.path), fix=OPEN_IT) from error


class PickledReader(TensorReader):
    """A pickled checkpoint through the restricted reader; laid out anew by falling alignment."""

    def __init__(self, path: Path) -> None:
        table = find_state_dict(read_checkpoint(path, mapped=True), unwrap=WRAPPERS, where=str(path))
        self._tensors = {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}
        self.rest = tuple(name for name in table if name not in self._tensors)
        self._encoded = "", memoryview(b"")
        super().__init__(path, dict(_lay_out(self._tensors, str(path))), {})

    def tensor(self, name: str) -> Tensor:
        """The mapped tensor."""
        return self._tensors[name]

    def read(self, name: str, begin: int, into: memoryview) -> None:
        """Copy from the mapped file."""
        if self._encoded[0] != name:  # one that is no plain view is copied, once
            self._encoded = name, encode_tensor(self._tensors[name])
        into[:] = self._encoded[1][begin : begin + len(into)]


def _lay_out(tensors: dict[str, Tensor], where: str) -> Iterator[tuple[str, Entry]]:
    names, end = dtype_names(), 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        if tensor.dtype not in names:
            what = f"has the dtype {tensor.dtype}, which safetensors lacks"
            raise BadWeights(what, where=f"{where}, key {name!r}", fix="convert the tensor to another dtype")
        begin, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        yield name, Entry(names[tensor.dtype], tuple(tensor.shape), begin, end)


def make_reader(path: str | os.PathLike[str], stream: BinaryIO | None = None) -> TensorReader:
    """The reader of a file by the ending of its name; stream: the opened file, needed for safetensors.

    Raises BadWeights for a damaged file, UnsafeFile for a pickle with more than tensors.
    """
    file = Path(path)
    if file.suffix.lower() in PICKLED:
        return PickledReader(file)
    if stream is None:
        raise TypeError("a safetensors file needs its stream")
    if stream.read(len(GGUF)) == GGUF:
        fix = "use the model before it was quantised, as .safetensors"
        raise BadWeights("is a GGUF file, whose packed weights cannot be computed with", where=str(file), fix=fix)
    return SafetensorsReader(file, stream)


@contextmanager
def open_reader(path: str | os.PathLike[str]) -> Generator[TensorReader]:
    """The reader of a file, open as long as the block. Raises BadWeights, UnsafeFile."""
    try:
        stream = open_regular_file(path)
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise BadWeights(what, where=str(path), fix="check the name") from error
    with stream:
        yield make_reader(path, stream)
