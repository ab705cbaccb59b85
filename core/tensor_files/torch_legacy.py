"""Checkpoints as torch.save wrote them before 1.6: a chain of pickles, then storages. Needs torch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import BadWeights
from .budget import Budget
from .pickle_allowlist import TorchNames
from .pickle_interpreter import run_pickle
from .pickle_machine import Machine
from .pickle_values import MAX_PICKLE, Promise, check_storage, flat_tensor, item_size, to_count, to_text
from .streams import BIG_ENDIAN, FETCH_AGAIN, read_into

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    _StorageOf = Callable[[str, torch.dtype, int], Tensor | Promise]

MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


class LegacyCheckpoint:
    """A chain of: magic number, version, system, the object, storage keys, then each storage with its length."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream, self._size, self._where = stream, size, where
        self.budget = Budget(size, where)
        self._data = stream.read(MAX_PICKLE)
        self._flats: dict[str, Tensor | Promise] = {}
        self._views: dict[tuple[str, str], Tensor | Promise] = {}
        self._buffers: dict[str, bytearray] = {}
        self._announced = 0

    def judge(self) -> Any:
        """Content with tensors that have no bytes yet. Raises UnsafeFile, BadWeights."""
        result, _, end = self._run(self._promise_storage, self.budget)
        self._check_size(end)
        return result

    def read(self) -> Any:
        """Content. Raises UnsafeFile, BadWeights."""
        self._flats.clear()
        self._views.clear()
        result, keys, end = self._run(self._allocate_storage, Budget(self._size, self._where))
        self._stream.seek(end)
        for key in keys:
            self._load(key)
        return result

    def _run(self, storage: _StorageOf, budget: Budget) -> tuple[Any, list[str], int]:
        """Object, keys of its storages in their order in the file, and where these begin."""
        world = TorchNames(partial(self._find_storage, storage), budget, where=self._where)
        machine = Machine(self._data, world, budget, where=self._where)
        if not _is_number(run_pickle(machine), MAGIC):
            raise BadWeights("is a pickle, but not one that torch.save wrote", where=self._where, fix=FETCH_AGAIN)
        version, system = _run_next(machine), _run_next(machine)
        if not _is_number(version, _VERSION) or not isinstance(system, dict) or system.get("little_endian") is not True:  # type: ignore[union-attr]
            raise BadWeights("has an unknown version or byte order", where=self._where, fix=BIG_ENDIAN)
        result, keys = _run_next(machine), _run_next(machine)
        if not isinstance(keys, list) or len(keys) != len(self._flats) or not _is_same(keys, self._flats):  # type: ignore[arg-type]
            raise BadWeights("lists other storages than it uses", where=self._where, fix=FETCH_AGAIN)
        return result, keys, machine.position  # type: ignore[return-value]

    def _check_size(self, begin: int) -> None:
        needed = begin + 8 * len(self._flats) + self._announced
        if needed > self._size:
            raise BadWeights("is cut off, or announces more bytes than it holds", where=self._where, fix=FETCH_AGAIN)
        if needed < self._size:
            raise BadWeights("has bytes behind its end", where=self._where, fix=FETCH_AGAIN)

    def _load(self, key: str) -> None:
        head = self._stream.read(8)
        count = int.from_bytes(head, "little")
        if len(head) != 8 or count != self._flats[key].numel():
            raise BadWeights(
                f"storage {key[:40]!r} has {count} elements, not those announced", where=self._where, fix=FETCH_AGAIN
            )
        read_into(self._stream, memoryview(self._buffers[key]), self._where)

    def _find_storage(
        self, allocate: _StorageOf, key: str, dtype: torch.dtype, count: int, view: Any
    ) -> Tensor | Promise:
        if key not in self._flats:
            self._flats[key] = allocate(key, dtype, count)
        flat = check_storage(self._flats[key], dtype, count)
        if view is None:
            return flat
        name, offset, length = view
        if len(to_text(name)) > len(key) + 64 or not (0 <= to_count(offset) <= offset + to_count(length) <= count):
            raise ValueError("view leaves its storage")
        return self._views.setdefault((key, name), flat.narrow(0, offset, length))

    def _promise_storage(self, _key: str, dtype: torch.dtype, count: int) -> Promise:
        self._announced += count * item_size(dtype)
        if self._announced > self._size:
            raise BadWeights("announces more bytes than it holds", where=self._where, fix=FETCH_AGAIN)
        return Promise(dtype, count)

    def _allocate_storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        self._buffers[key] = bytearray(count * item_size(dtype))
        return flat_tensor(self._buffers[key], dtype)


def _is_number(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _is_same(keys: list[Any], flats: dict[str, Tensor | Promise]) -> bool:
    return all(isinstance(key, str) for key in keys) and set(keys) == set(flats)


def _run_next(machine: Machine) -> Any:
    machine.reset()
    return run_pickle(machine)
