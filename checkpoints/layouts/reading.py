"""Weights of one network or model in one or several files: names and shapes first, contents one tensor at a time."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...adapters.applying.quantised import StorageIndex
from ...adapters.applying.quantised_names import find_packed
from ...core.errors import BadWeights
from ...core.regular_files import open_regular_file
from ...core.tensor_files.json_objects import AGAIN
from ...core.tensor_files.tensor_reader import PickledReader, SafetensorsReader, TensorReader, find_dtype
from ...core.weights.load import SAFETENSORS, find_format

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor


class Weights:
    """Tensors by key, decoded where they are stored with a scale.

    where: file or folder, for messages. shapes: of every tensor that is a weight. metadata: of a safetensors file.
    """

    def __init__(self, readers: Sequence[TensorReader], where: str) -> None:
        self.where = where
        self._owners = {name: reader for reader in readers for name in reader.entries}
        self.metadata = {key: value for reader in readers for key, value in reader.metadata.items()}
        if (packed := find_packed(self._owners)) is not None:
            what = f"holds {packed[1]}, which cannot be computed with"
            raise BadWeights(what, where=f"{where}, {packed[0]}", fix="use the model before it was quantised")
        self._storages = StorageIndex(self._owners, self.metadata, self._read_stored)
        beside = {key for name in self._owners for key in self._storages.companions(name)}
        self.shapes = {
            name: tuple(reader.entries[name].shape) for name, reader in self._owners.items() if name not in beside
        }
        self._last: tuple[str, Tensor] | None = None

    def read(self, name: str) -> Tensor:
        """A tensor on the CPU in memory of its own; the last one is kept, for weights that hold several.

        Raises BadWeights for formats that cannot be computed with, by name.
        """
        if self._last is None or self._last[0] != name:
            self._last = name, self._decode(name)
        return self._last[1]

    def _decode(self, name: str) -> Tensor:
        stored = self._read_stored(name)
        if not stored.is_floating_point() and stored.dtype != torch.int8:
            return stored
        try:
            storage = self._storages.find(name, stored.dtype, stored.shape)
        except BadWeights as error:
            raise BadWeights(error.what, where=f"{self.where}, {error.where}", fix=error.fix) from error
        return stored if storage.scale is None else storage.decode(stored, self._read_stored(storage.scale))

    def _read_stored(self, name: str) -> Tensor:
        reader = self._owners[name]
        found = reader.tensor(name)
        return found.clone() if isinstance(reader, PickledReader) else found

    def find_dtype(self, name: str) -> torch.dtype:
        """How a tensor is stored."""
        return find_dtype(self._owners[name].entries[name], self.where)


@contextmanager
def open_weights(paths: Sequence[Path], where: str = "") -> Generator[Weights]:
    """The weights of files that belong together, open as long as the block. Raises BadWeights, UnsafeFile."""
    with ExitStack() as stack:
        readers = [open_tensor_file(path, stack) for path in paths]
        yield Weights(readers, where or str(paths[0]))


def open_tensor_file(path: Path, stack: ExitStack) -> TensorReader:
    """The content decides how a file is read, not its name."""
    try:
        found = find_format(path)
        if (found or path.suffix.lower()) != SAFETENSORS:
            return PickledReader(path)
        return SafetensorsReader(path, stack.enter_context(open_regular_file(path)))
    except OSError as error:
        raise BadWeights(f"cannot be read ({error.strerror or error})", where=str(path), fix=AGAIN) from error
