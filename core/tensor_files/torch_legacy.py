"""Checkpoints as torch.save wrote them before 1.6: a chain of pickles, then storages. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import BadWeights
from .pickle_allowlist import TorchNames
from .pickle_interpreter import run_pickle
from .pickle_machine import Machine
from .pickle_values import FETCH_AGAIN, MAX_PICKLE, check_storage, flat_tensor, item_size, read_into

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


class LegacyCheckpoint:
    """A chain of: magic number, version, system, the object, storage keys, then each storage with its length."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream, self._size, self._where = stream, size, where
        self._buffers: dict[str, bytearray] = {}
        self._flats: dict[str, Tensor] = {}
        self._views: dict[str, Tensor] = {}

    def read(self) -> Any:
        """Content. Raises UnsafeFile, BadWeights."""
        world = TorchNames(self._allocate_storage, file_size=self._size, where=self._where)
        data = self._stream.read(MAX_PICKLE)
        machine = Machine(data, world, where=self._where)
        if run_pickle(machine) != MAGIC:
            raise BadWeights("is a pickle, but not one that torch.save wrote", where=self._where)
        version, system = _run_next(machine), _run_next(machine)
        if version != _VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:  # type: ignore[union-attr]
            raise BadWeights("has an unknown version or byte order", where=self._where)
        result, keys = _run_next(machine), _run_next(machine)
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
                f"storage {key[:40]!r} has {count} elements, not those announced", where=self._where, fix=FETCH_AGAIN
            )
        read_into(self._stream, memoryview(self._buffers[key]), self._where)

    def _allocate_storage(self, key: str, dtype: torch.dtype, count: int, view: Any) -> Tensor:
        if key not in self._flats:
            if sum(map(len, self._buffers.values())) + count * item_size(dtype) > self._size:
                raise BadWeights("announces more bytes than it holds", where=self._where, fix=FETCH_AGAIN)
            self._buffers[key] = bytearray(count * item_size(dtype))
            self._flats[key] = flat_tensor(self._buffers[key], dtype)
        flat = check_storage(self._flats[key], dtype, count)
        if view is None:
            return flat
        name, offset, length = view
        if not isinstance(name, str) or not (0 <= offset <= offset + length <= count):
            raise ValueError("view leaves its storage")
        return self._views.setdefault(name, flat[offset : offset + length])


def _run_next(machine: Machine) -> Any:
    machine.stack, machine.marks, machine.memo = [], [], {}
    return run_pickle(machine)
