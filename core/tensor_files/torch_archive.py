"""Checkpoints as torch.save has written them since 1.6: a zip archive of a pickle and storages. Needs torch."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import BadWeights, UnsafeFile
from .pickle_allowlist import TorchNames
from .pickle_interpreter import run_pickle
from .pickle_machine import NOTHING_RAN, Machine
from .pickle_values import FETCH_AGAIN, MAX_PICKLE, check_storage, flat_tensor, item_size, read_into

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_MEMBERS = 200_000


class ZipCheckpoint:
    """A zip archive: NAME/data.pkl and one stored member NAME/data/KEY per storage."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._size, self._where = size, where
        _check_directory(stream, size, where)
        self._zip = zipfile.ZipFile(stream)
        self._members = self._check_members(self._zip.infolist())
        self._flats: dict[str, Tensor] = {}

    def read(self) -> Any:
        """Content. Raises UnsafeFile, BadWeights."""
        self._check_order()
        world = TorchNames(self._read_storage, file_size=self._size, where=self._where)
        machine = Machine(bytes(self._read_member("data.pkl", MAX_PICKLE)), world, where=self._where)
        result = run_pickle(machine)
        if machine.position != len(machine.data):
            raise BadWeights("has bytes behind the end of its pickle", where=self._where)
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
            raise BadWeights("holds big-endian numbers", where=self._where)

    def _read_member(self, name: str, limit: int) -> bytearray:
        info = self._members.get(name)
        if info is None or info.file_size > limit:
            fault = "is missing" if info is None else f"is {info.file_size} bytes, {limit} at most are expected"
            raise BadWeights(f"member {name[:80]!r} {fault}", where=self._where, fix=FETCH_AGAIN)
        buffer = bytearray(info.file_size)
        with self._zip.open(info) as member:
            read_into(member, memoryview(buffer), self._where)  # type: ignore[arg-type]
        if zlib.crc32(buffer) != info.CRC:
            raise BadWeights(f"member {name[:80]!r} does not match its checksum", where=self._where, fix=FETCH_AGAIN)
        return buffer

    def _read_storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor:
        if view is not None:
            raise ValueError("a view belongs to the older form")
        if key not in self._flats:
            size = count * item_size(dtype)
            buffer = self._read_member(f"data/{key}", size)
            if len(buffer) != size:
                raise BadWeights(
                    f"storage {key[:80]!r} is {len(buffer)} bytes, {size} are announced", where=self._where
                )
            self._flats[key] = flat_tensor(buffer, dtype)
        return check_storage(self._flats[key], dtype, count)


def _check_directory(stream: BinaryIO, size: int, where: str) -> None:
    """Refuse a zip directory with absurdly many members before it is parsed."""
    stream.seek(max(0, size - 66_000))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) != at + 22:
        raise BadWeights("is a zip archive that is cut off, or has bytes behind its end", where=where, fix=FETCH_AGAIN)
    count, length = struct.unpack_from("<HI", tail, at + 10)
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if wide >= 0 and len(tail) >= wide + 56:
        count, length = struct.unpack_from("<QQ", tail, wide + 32)
    if count > MAX_MEMBERS or length > MAX_MEMBERS * 256:
        raise UnsafeFile(f"is a zip archive of {count} members, more than {MAX_MEMBERS}", where=where, fix=NOTHING_RAN)
    stream.seek(0)


def _is_inside(name: str, prefix: str) -> bool:
    parts = name.split("/")
    return name.startswith(prefix) and ".." not in parts and not any(c in name for c in "\\:\0") and len(name) < 1024
