"""Reads ``.pth``, ``.pt``, ``.ckpt`` and ``.bin`` files as what they should be: tensors in plain containers.

No unpickler of Python or torch is involved: `pickle_interpreter` interprets the instructions, `pickle_allowlist`
knows the few names allowed, and the file is opened and parsed once. Both forms torch has written are read: the zip
archive (since 1.6) and the chain of pickles before it. Imported lazily (needs torch).
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from ..errors import BadWeights, UnsafeFile
from ..files import sha256_stream
from .pickle_allowlist import PLAIN, TorchWorld, flat_tensor, item_size
from .pickle_interpreter import NOTHING_RAN, Machine
from .pickle_tree import weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MAX_PICKLE = 32 * 2**20
"""Largest stream of pickle instructions; tensor bytes do not count."""
MAX_MEMBERS = 200_000
MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_AGAIN = "fetch the file again"
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    ValueError,
    OverflowError,
    RuntimeError,
)
"""What the zipfile module raises for damaged archives."""


def read(path: str | os.PathLike[str], *, sha256: str = "") -> Any:
    """Content of a pickled checkpoint: plain containers, numbers, texts and CPU tensors (storages stay shared).

    sha256: refuse the file unless its bytes hash to this; hashed and parsed through the same open file.
    Parameters come back as plain tensors, torch.Size as tuple, ParameterDict as dict, ParameterList as list, numpy
    arrays as tensors. Raises UnsafeFile when the file asks for anything else, BadWeights when it is damaged.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as stream:
            if sha256 and (found := sha256_stream(stream)) != sha256:
                raise BadWeights(f"has the sha256 {found}, its record says {sha256}", where=where, fix=_AGAIN)
            value = _read(stream, where)
    except (*_ZIP_FAULTS, OSError, EOFError) as error:
        raise BadWeights(f"cannot be read ({error})", where=where, fix=_AGAIN) from error
    weigh(value, PLAIN, where)
    return value


def state_dict(value: Any, *, unwrap: Sequence[str] = (), strip: str = "", where: str = "") -> dict[str, Any]:
    """Table of a checkpoint: steps into the first of the wrappers it holds, again and again, then drops a prefix.

    unwrap: keys whose value is the real table, such as "state_dict". strip: prefix to take off the keys that have it,
    such as "module.". Raises BadWeights when the content is not a table of named values.
    """
    while inner := next(
        (value[key] for key in unwrap if isinstance(value, dict) and isinstance(value.get(key), dict)), None
    ):  # type: ignore[misc]
        value = inner
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):  # type: ignore[misc]
        raise BadWeights(f"holds a {type(value).__name__} where a table of named tensors is needed", where=where)
    table: dict[str, Any] = {key.removeprefix(strip): entry for key, entry in value.items()}  # type: ignore[misc]
    if len(table) != len(value):  # type: ignore[arg-type]
        raise BadWeights(f"holds keys that are the same without {strip!r}", where=where)
    return table


def _read(stream: BinaryIO, where: str) -> Any:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(512)
    stream.seek(0)
    if head[257:262] == b"ustar":
        raise UnsafeFile(
            "is a tar archive, the form torch wrote before 0.2", where=where, fix="save it again with a newer torch"
        )
    if head[:4] == b"PK\x03\x04":
        return _Archive(stream, size, where).value()
    if fault := _another_kind(head):
        raise BadWeights(fault, where=where, fix=_AGAIN)
    return _Chain(stream, size, where).value()


def _another_kind(head: bytes) -> str:
    """What the file is when it plainly is no checkpoint."""
    if not head.strip(b"\0"):
        return "is empty, or its beginning was never written"
    if head.lstrip()[:1] == b"<":
        return "is a web page, not weights: its download went wrong"
    return "is a safetensors file under another name" if head[8:10] == b'{"' else ""


class _Archive:
    """The zip form: NAME/data.pkl and one stored member NAME/data/KEY per storage."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._size, self._where = size, where
        _check_directory(stream, size, where)
        self._zip = zipfile.ZipFile(stream)
        self._members = self._checked(self._zip.infolist())
        self._flats: dict[str, Tensor] = {}

    def value(self) -> Any:
        self._check_order()
        world = TorchWorld(self._storage, file_size=self._size, where=self._where)
        machine = Machine(bytes(self._bytes("data.pkl", MAX_PICKLE)), world, where=self._where)
        result = machine.run()
        if machine.position != len(machine.data):
            raise BadWeights("has bytes behind the end of its pickle", where=self._where)
        return result

    def _checked(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """Members by name without the folder they all share."""
        prefix = next((i.filename.removesuffix("data.pkl") for i in infos if i.filename.endswith("/data.pkl")), "")
        if prefix.count("/") != 1 or prefix == "/":
            raise UnsafeFile("is a zip archive but not one that torch.save wrote", where=self._where, fix=NOTHING_RAN)
        members = {info.filename[len(prefix) :]: info for info in infos if _harmless(info.orig_filename, prefix)}
        if len(members) != len(infos):
            raise UnsafeFile(
                "holds members that are there twice or whose names lead elsewhere", where=self._where, fix=NOTHING_RAN
            )
        if "constants.pkl" in members or any(name.startswith("code/") for name in members):
            raise UnsafeFile("is a TorchScript programme, not plain weights", where=self._where, fix=NOTHING_RAN)
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
        if "byteorder" in self._members and self._bytes("byteorder", 16) != bytearray(b"little"):
            raise BadWeights("holds big-endian numbers", where=self._where)

    def _bytes(self, name: str, limit: int) -> bytearray:
        info = self._members.get(name)
        if info is None or info.file_size > limit:
            fault = "is missing" if info is None else f"is {info.file_size} bytes, {limit} at most are expected"
            raise BadWeights(f"member {name[:80]!r} {fault}", where=self._where, fix=_AGAIN)
        buffer = bytearray(info.file_size)
        with self._zip.open(info) as member:
            _fill(member, memoryview(buffer), self._where)  # type: ignore[arg-type]
        if zlib.crc32(buffer) != info.CRC:
            raise BadWeights(f"member {name[:80]!r} does not match its checksum", where=self._where, fix=_AGAIN)
        return buffer

    def _storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor:
        if view is not None:
            raise ValueError("a view belongs to the older form")
        if key not in self._flats:
            size = count * item_size(dtype)
            buffer = self._bytes(f"data/{key}", size)
            if len(buffer) != size:
                raise BadWeights(
                    f"storage {key[:80]!r} is {len(buffer)} bytes, {size} are announced", where=self._where
                )
            self._flats[key] = flat_tensor(buffer, dtype)
        return _same(self._flats[key], dtype, count)


def _check_directory(stream: BinaryIO, size: int, where: str) -> None:
    """Refuse a zip directory with absurdly many members before it is parsed."""
    stream.seek(max(0, size - 66_000))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) != at + 22:
        raise BadWeights("is a zip archive that is cut off, or has bytes behind its end", where=where, fix=_AGAIN)
    count, length = struct.unpack_from("<HI", tail, at + 10)
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if wide >= 0 and len(tail) >= wide + 56:
        count, length = struct.unpack_from("<QQ", tail, wide + 32)
    if count > MAX_MEMBERS or length > MAX_MEMBERS * 256:
        raise UnsafeFile(f"is a zip archive of {count} members, more than {MAX_MEMBERS}", where=where, fix=NOTHING_RAN)
    stream.seek(0)


def _harmless(name: str, prefix: str) -> bool:
    parts = name.split("/")
    return name.startswith(prefix) and ".." not in parts and not any(c in name for c in "\\:\0") and len(name) < 1024


def _fill(stream: BinaryIO, view: memoryview, where: str) -> None:
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise BadWeights("is cut off", where=where, fix=_AGAIN)
        done += count


def _same(flat: Tensor, dtype: torch.dtype, count: int) -> Tensor:
    if flat.dtype != dtype or flat.numel() != count:
        raise ValueError("one storage is announced in two ways")
    return flat


class _Chain:
    """The older form: magic number, version, system, the object, storage keys, then each storage with its length."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream, self._size, self._where = stream, size, where
        self._buffers: dict[str, bytearray] = {}
        self._flats: dict[str, Tensor] = {}
        self._views: dict[str, Tensor] = {}

    def value(self) -> Any:
        world = TorchWorld(self._storage, file_size=self._size, where=self._where)
        data = self._stream.read(MAX_PICKLE)
        machine = Machine(data, world, where=self._where)
        if machine.run() != MAGIC:
            raise BadWeights("is a pickle, but not one that torch.save wrote", where=self._where)
        version, system = _next(machine), _next(machine)
        if version != _VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:  # type: ignore[union-attr]
            raise BadWeights("has an unknown version or byte order", where=self._where)
        result, keys = _next(machine), _next(machine)
        if (
            not isinstance(keys, list)
            or not all(isinstance(key, str) for key in keys)
            or sorted(keys) != sorted(self._buffers)
        ):  # type: ignore[misc]
            raise BadWeights("lists other storages than it uses", where=self._where)
        self._stream.seek(machine.position)
        for key in keys:  # type: ignore[misc]
            self._load(key)
        if self._stream.read(1):
            raise BadWeights("has bytes behind its end", where=self._where)
        return result

    def _load(self, key: str) -> None:
        head = self._stream.read(8)
        count = int.from_bytes(head, "little")
        if len(head) != 8 or count != self._flats[key].numel():
            raise BadWeights(
                f"storage {key[:40]!r} has {count} elements, not those announced", where=self._where, fix=_AGAIN
            )
        _fill(self._stream, memoryview(self._buffers[key]), self._where)

    def _storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor:
        if key not in self._flats:
            if sum(map(len, self._buffers.values())) + count * item_size(dtype) > self._size:
                raise BadWeights("announces more bytes than it holds", where=self._where, fix=_AGAIN)
            self._buffers[key] = bytearray(count * item_size(dtype))
            self._flats[key] = flat_tensor(self._buffers[key], dtype)
        flat = _same(self._flats[key], dtype, count)
        if view is None:
            return flat
        name, offset, length = view
        if not isinstance(name, str) or not (0 <= offset <= offset + length <= count):
            raise ValueError("view leaves its storage")
        return self._views.setdefault(name, flat[offset : offset + length])


def _next(machine: Machine) -> Any:
    machine.stack, machine.marks, machine.memo = [], [], {}
    return machine.run()
