"""Writes values as a safetensors file: in order, chunk by chunk, hashed while written, complete or not at all."""

from __future__ import annotations

import hashlib
import math
import os
import time
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import torch

from ..core.errors import BadWeights, WriteFailed
from ..core.files import atomic_stream
from ..core.tensor_files.block_writer import BlockWriter
from ..core.tensor_files.safetensors_io import Entry, dtype_names, encode_header
from .values import iter_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from .values import FileValues, Values

    Take = Callable[[int], memoryview]
    """Gives the next bytes of what is written, to be filled."""

_STEP = 1 << 26
"""Bytes between two reports of progress."""
_PIECE = 1 << 20
_SAMPLE = 1 << 25
"""Bytes that are computed to tell how long all will take."""
_SHOWN = 5


class Written(NamedTuple):
    """Hash of the file, and its size."""

    sha256: str
    size: int


class Layout(NamedTuple):
    """Entries of a new file, in order, and where each is."""

    entries: dict[str, Entry]
    size: int


def lay_out(values: Values) -> Layout:
    """Entries in the order of the values, the larger dtypes first, so that all stay aligned."""
    names, entries, end = dtype_names(), dict[str, Entry](), 0
    for key, (dtype, shape) in sorted(values.entries.items(), key=lambda item: -item[1].dtype.itemsize):
        begin, end = end, end + values.entries[key].numel * dtype.itemsize
        entries[key] = Entry(names[dtype], shape, begin, end)
    return Layout(entries, end)


class ValueWriter:
    """Writes one file. Raises BadWeights, when all is read, for values that are not finite in it, with their keys.

    check: called with bytes done and all; raises to stop. hashed: whether the file's hash is computed.
    """

    def __init__(
        self, values: Values, check: Callable[[int, int], None], *, allow_damaged: bool = False, hashed: bool = True
    ) -> None:
        self._values, self._check = values, check
        self._allow_damaged, self._hashed = allow_damaged, hashed
        self._layout = lay_out(values)
        self._done, self._reported = 0, 0
        self._damaged: dict[str, str] = {}

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return self._layout.size

    def write(self, path: Path, metadata: Mapping[str, str], *, verify: bool = False) -> Written:
        """Write the file in place of what has its name. Raises WriteFailed; what stood there then stays.

        verify: read it back from the disk, and compare its hash, before it gets its name.
        """
        head = encode_header(self._layout.entries, metadata)
        size = len(head) + self._layout.size
        with atomic_stream(path, size=size) as stream:
            with BlockWriter(stream, hashed=self._hashed) as out:
                out.write(head)
                for key in self._layout.entries:
                    self._fill(key, out.take)
                digest = out.finish()
            self._report_damage()
            self._check(self._layout.size, self._layout.size)
            if (count := os.fstat(stream.fileno()).st_size) != size:
                raise WriteFailed(f"has {count} bytes in place of {size}", where=str(path), fix="try again")
            if verify and _read_back(stream) != digest:
                what = "was read back with other bytes than were written"
                raise WriteFailed(what, where=str(path), fix="check the disk and the memory of this machine")
        return Written(digest, size)

    def estimate_seconds(self) -> float:
        """How long reading and computing takes here, from a sample of the largest values."""
        begin, done, room = time.perf_counter(), 0, bytearray()

        def take(size: int) -> memoryview:
            nonlocal done, room
            done += size
            room = room if len(room) >= size else bytearray(size)
            return memoryview(room)[:size]

        for key in sorted(self._layout.entries, key=lambda key: -self._values.entries[key].numel):
            for _ in self._iter_pieces(key, take):
                if done >= _SAMPLE:
                    return (time.perf_counter() - begin) * self._layout.size / done
        return time.perf_counter() - begin

    def compute(self) -> dict[str, Tensor]:
        """The tensors that the file would hold, in memory. Raises BadWeights for values that are not finite."""
        found: dict[str, Tensor] = {}
        for key in self._layout.entries:
            dtype, shape = self._values.entries[key]
            content, done = bytearray(self._values.entries[key].numel * dtype.itemsize), 0

            def take(size: int, content: bytearray = content) -> memoryview:
                nonlocal done
                done += size
                return memoryview(content)[done - size : done]

            self._fill(key, take)
            found[key] = (
                torch.frombuffer(content, dtype=dtype).reshape(shape) if content else torch.empty(shape, dtype=dtype)
            )
        self._report_damage()
        self._check(self._layout.size, self._layout.size)
        return found

    def _fill(self, key: str, take: Take) -> None:
        """Compute a value into what take gives, and report progress."""
        for size in self._iter_pieces(key, take):
            self._done += size
            if self._done - self._reported >= _STEP:
                self._report()
        self._report()

    def _iter_pieces(self, key: str, take: Take) -> Iterator[int]:
        """Compute a value in pieces. Yields the bytes of each."""
        source, entry = self._values.find_source(key), self._values.entries[key]
        copied = source is not None and source[0].entries[source[1]] == entry
        for begin, end in iter_spans(entry.numel, 1 if copied else self._values.find_grain(key)):
            room = take((end - begin) * entry.dtype.itemsize)
            if copied and source is not None:
                self._copy(source[0], source[1], begin, room, key)
            else:
                self._compute(key, begin, end, room)
            yield len(room)

    def _report(self) -> None:
        """Say how much is done; the end is said when all is checked."""
        if self._done < self._layout.size:
            self._reported = self._done
            self._check(self._done, self._layout.size)

    def _copy(self, source: FileValues, name: str, begin: int, room: memoryview, key: str) -> None:
        dtype = source.entries[name].dtype
        source.read_stored(name, begin * dtype.itemsize, room)
        if dtype.is_floating_point and not is_finite(torch.frombuffer(room, dtype=dtype)):
            self._damaged.setdefault(key, f"NaN or infinite in {source.label} itself")

    def _compute(self, key: str, begin: int, end: int, room: memoryview) -> None:
        dtype = self._values.entries[key].dtype
        rounded = torch.frombuffer(room, dtype=dtype)
        value = self._values.read_into(key, begin, end, rounded)
        if dtype.is_floating_point and not is_finite(rounded):
            overflows = value.dtype != dtype and is_finite(value)
            name = str(dtype).removeprefix("torch.")
            why = f"more than {name} holds ({torch.finfo(dtype).max:g})" if overflows else "NaN or infinite"
            self._damaged.setdefault(key, why)

    def _report_damage(self) -> None:
        if not self._damaged or self._allow_damaged:
            return
        shown = "; ".join(f"{key}: {why}" for key, why in list(self._damaged.items())[:_SHOWN])
        more = f"; and {len(self._damaged) - _SHOWN} more" if len(self._damaged) > _SHOWN else ""
        fix = "choose bf16 or fp32, lower weights or undamaged inputs; nothing was written"
        raise BadWeights(f"{len(self._damaged)} weights of the result are no finite numbers: {shown}{more}", fix=fix)

    def list_damaged(self) -> dict[str, str]:
        """Key → why its values are not finite."""
        return dict(self._damaged)


def _read_back(stream: BinaryIO) -> str:
    """Hash of a file that is still open for writing, from the disk where the system can be asked to forget it."""
    stream.flush()
    number = stream.fileno()
    os.fsync(number)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(number, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while piece := os.read(number, _PIECE):
        digest.update(piece)
    return digest.hexdigest()


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite."""
    if not tensor.numel():
        return True
    if tensor.dtype.itemsize == 1:
        tensor = tensor.to(torch.float32)
    low, high = torch.aminmax(tensor)
    return math.isfinite(low.item()) and math.isfinite(high.item())
