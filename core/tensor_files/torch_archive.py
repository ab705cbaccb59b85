"""Checkpoints as torch.save has written them since 1.6: a zip archive of a pickle and storages. Needs torch."""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import BadWeights, UnsafeFile
from .budget import Budget
from .pickle_allowlist import TorchNames
from .pickle_interpreter import run_pickle
from .pickle_machine import NOTHING_RAN, Machine
from .pickle_values import MAX_PICKLE, Promise, check_storage, flat_tensor, item_size
from .streams import BIG_ENDIAN, FETCH_AGAIN, read_into

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .pickle_allowlist import StorageOf

MAX_MEMBERS = 100_000
_MAX_FIELD = 1024
_LOCAL_HEAD = 30
_MEMBER = 25
"""What a member of the archive costs."""


class ZipCheckpoint:
    """A zip archive: NAME/data.pkl and one stored member NAME/data/KEY per storage."""

    def __init__(self, stream: BinaryIO, size: int, where: str, *, mapped: bool = False) -> None:
        self._stream, self._size, self._where = stream, size, where
        self._mapped = mapped
        self.budget = Budget(size, where)
        _check_directory(stream, size, self.budget, where)
        self._zip = zipfile.ZipFile(stream)
        self._members = self._check_members(self._zip.infolist())
        self._flats: dict[str, Tensor | Promise] = {}
        self._check_order()
        self._pickle = bytes(self._read_member("data.pkl", MAX_PICKLE))

    def judge(self) -> Any:
        """Content with tensors that have no bytes yet. Raises UnsafeFile, BadWeights."""
        return self._run(self._promise_storage, self.budget)

    def read(self) -> Any:
        """Content. Raises UnsafeFile, BadWeights."""
        self._flats.clear()
        if self._mapped:  # private: what would be written to it never reaches the file
            self._map = mmap.mmap(self._stream.fileno(), self._size, access=mmap.ACCESS_COPY)
        return self._run(self._read_storage, Budget(self._size, self._where))

    def _run(self, storage: StorageOf, budget: Budget) -> Any:
        world = TorchNames(storage, budget, where=self._where)
        machine = Machine(self._pickle, world, budget, where=self._where)
        result = run_pickle(machine)
        if machine.position != len(machine.data):
            raise BadWeights("has bytes behind the end of its pickle", where=self._where, fix=FETCH_AGAIN)
        return result

    def _check_members(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """Members by name without the folder they all share."""
        prefix = next((i.filename.removesuffix("data.pkl") for i in infos if i.filename.endswith("/data.pkl")), "")
        if prefix.count("/") != 1 or prefix == "/":
            raise UnsafeFile("is a zip archive but not one that torch.save wrote", where=self._where, fix=NOTHING_RAN)
        members = {info.filename[len(prefix) :]: info for info in infos if _is_inside(info.orig_filename, prefix)}
        if len(members) != len(infos):
            raise UnsafeFile(
                "holds members that are there twice or whose names lead elsewhere", where=self._where, fix=NOTHING_RAN
            )
        if "constants.pkl" in members or any(name.startswith("code/") for name in members):
            raise UnsafeFile("is a TorchScript program, not plain weights", where=self._where, fix=NOTHING_RAN)
        if any(
            info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1
            for info in infos
        ):
            raise UnsafeFile(
                "holds compressed or encrypted members; torch stores them plainly", where=self._where, fix=NOTHING_RAN
            )
        if sum(info.file_size for info in infos) > self._size:
            raise UnsafeFile("holds members that overlap", where=self._where, fix=NOTHING_RAN)
        return members

    def _check_order(self) -> None:
        if "byteorder" in self._members and self._read_member("byteorder", 16) != bytearray(b"little"):
            raise BadWeights("holds big-endian numbers", where=self._where, fix=BIG_ENDIAN)

    def _find_member(self, name: str, limit: int) -> zipfile.ZipInfo:
        info = self._members.get(name)
        if info is None or info.file_size > limit:
            fault = "is missing" if info is None else f"is {info.file_size} bytes, {limit} at most are expected"
            raise BadWeights(f"member {name[:80]!r} {fault}", where=self._where, fix=FETCH_AGAIN)
        return info

    def _read_member(self, name: str, limit: int) -> bytearray:
        info = self._find_member(name, limit)
        buffer = bytearray(info.file_size)
        with self._zip.open(info) as member:
            read_into(member, memoryview(buffer), self._where)  # type: ignore[arg-type]
        if zlib.crc32(buffer) != info.CRC:
            raise BadWeights(f"member {name[:80]!r} does not match its checksum", where=self._where, fix=FETCH_AGAIN)
        return buffer

    def _map_member(self, name: str, limit: int) -> memoryview:
        info = self._find_member(name, limit)
        head = self._map[info.header_offset : info.header_offset + _LOCAL_HEAD]
        begin = info.header_offset + _LOCAL_HEAD + sum(struct.unpack_from("<HH", head, _LOCAL_HEAD - 4))
        if begin + info.file_size > self._size:
            raise BadWeights(f"member {name[:80]!r} is cut off", where=self._where, fix=FETCH_AGAIN)
        view = memoryview(self._map)[begin : begin + info.file_size]
        if zlib.crc32(view) != info.CRC:
            raise BadWeights(f"member {name[:80]!r} does not match its checksum", where=self._where, fix=FETCH_AGAIN)
        return view

    def _promise_storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor | Promise:
        if view is not None:
            raise ValueError("a view belongs to the older form")
        if key not in self._flats:
            size, info = count * item_size(dtype), self._members.get(f"data/{key}")
            if info is not None and info.file_size != size:
                what = f"storage {key[:80]!r} is {info.file_size} bytes, {size} are announced"
                raise BadWeights(what, where=self._where, fix=FETCH_AGAIN)
            self._find_member(f"data/{key}", size)
            self._flats[key] = Promise(dtype, count)
        return check_storage(self._flats[key], dtype, count)

    def _read_storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor | Promise:
        del view  # judged before
        if key not in self._flats:
            size = count * item_size(dtype)
            read = self._map_member if self._mapped else self._read_member
            self._flats[key] = flat_tensor(read(f"data/{key}", size), dtype)
        return check_storage(self._flats[key], dtype, count)


def _check_directory(stream: BinaryIO, size: int, budget: Budget, where: str) -> None:
    """Walk a zip's directory before the zipfile module does, whose cost grows with the square of an extra field."""
    stream.seek(max(0, size - 66_000))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) != at + 22:
        raise BadWeights("is a zip archive that is cut off, or has bytes behind its end", where=where, fix=FETCH_AGAIN)
    count, length = struct.unpack_from("<HI", tail, at + 10)
    end = size - 22
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if wide >= 0 and len(tail) >= wide + 56:
        count, length = struct.unpack_from("<QQ", tail, wide + 32)
        end = size - len(tail) + wide
    if count > MAX_MEMBERS or length > MAX_MEMBERS * 256:
        raise UnsafeFile(f"is a zip archive of {count} members, more than {MAX_MEMBERS}", where=where, fix=NOTHING_RAN)
    stream.seek(max(0, end - length))
    _walk_directory(stream.read(length), budget, where)
    stream.seek(0)


def _walk_directory(directory: bytes, budget: Budget, where: str) -> None:
    budget.copy(4 * len(directory))
    at = 0
    while at + 46 <= len(directory) and directory.startswith(b"PK\x01\x02", at):
        budget.spend(_MEMBER)
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        if max(name, extra, comment) > _MAX_FIELD:
            what = f"is a zip archive with a name or field of more than {_MAX_FIELD} bytes in its directory"
            raise UnsafeFile(what, where=where, fix=NOTHING_RAN)
        at += 46 + name + extra + comment
    if at != len(directory):
        raise BadWeights("is a zip archive with a damaged directory", where=where, fix=FETCH_AGAIN)


def _is_inside(name: str, prefix: str) -> bool:
    parts = name.split("/")
    return name.startswith(prefix) and ".." not in parts and not any(c in name for c in "\\:\0") and len(name) < 1024
