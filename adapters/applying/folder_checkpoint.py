"""A diffusers folder as a checkpoint: one network or a pipeline's, each in one or several files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import BadWeights
from ...core.files import atomic_folder, atomic_stream
from ...core.regular_files import open_regular_file
from ...core.tensor_files.json_objects import read_json
from ...core.tensor_files.safetensors_io import Entry
from ...core.tensor_files.tensor_reader import SafetensorsReader
from ...core.tensor_files.weight_files import find_weight_files
from ..modules.parts import PARTS
from .checkpoint import Checkpoint
from .file_writer import count_bytes, write_entries
from .wide_inputs import widen_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from torch import Tensor

    from ...core.tensor_files.tensor_reader import TensorReader
    from ..tools.save import Progress
    from .baked_weights import BakedWeights

PIPELINE, INDEX, CONFIG = "model_index.json", ".index.json", "config.json"


class Shard(NamedTuple):
    """A file of a network. prefix: in front of its names here."""

    reader: TensorReader
    prefix: str


class FolderCheckpoint(Checkpoint):
    """The networks of a folder that adapters change, as if one file; a pipeline's have their part in front."""

    def __init__(self, path: Path, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self._owners = {f"{shard.prefix}{name}": (shard, name) for shard in shards for name in shard.reader.entries}
        entries, end = dict[str, Entry](), 0
        for key, (shard, name) in self._owners.items():
            own = shard.reader.entries[name]
            entries[key] = Entry(own.dtype, own.shape, end, end + own.end - own.begin)
            end = entries[key].end
        super().__init__(path, entries, dict(shards[0].reader.metadata))

    def tensor(self, name: str) -> Tensor:
        """As its file's reader gives it."""
        shard, own = self._owners[name]
        return shard.reader.tensor(own)

    def rows(self, name: str, first: int, last: int) -> Tensor:
        """Only these are read."""
        shard, own = self._owners[name]
        return shard.reader.rows(own, first, last)

    def raw(self, name: str) -> Iterator[memoryview]:
        """As its file's reader gives them."""
        shard, own = self._owners[name]
        return shard.reader.raw(own)

    def write(
        self,
        path: Path,
        result: BakedWeights,
        metadata: Mapping[str, str],
        progress: Progress | None = None,
        second: tuple[FolderCheckpoint, BakedWeights] | None = None,
    ) -> None:
        """Write a folder with the same files, these weights in those of networks, and the others copied.

        second: another network in a folder below this, and its weights. Raises WriteFailed, also for a folder of that
        name that holds something.
        """
        work = [(self, result), *([second] if second is not None else [])]
        files = {shard.reader.path for one, _ in work for shard in one.shards}
        others = [file for file in sorted(self.path.rglob("*")) if file.is_file() and not _is_replaced(file, files)]
        size = sum(entry.end - entry.begin for _, own in work for entry in own.entries.values())
        groups = [one._group_keys(own) for one, own in work]
        with atomic_folder(path, size=size + sum(file.stat().st_size for file in others)) as folder:
            for file in others:
                _copy(file, folder / file.relative_to(self.path))
            for (one, own), keys in zip(work, groups, strict=True):
                one._write_networks(folder / one.path.relative_to(self.path), own, keys, metadata, progress)

    def _write_networks(
        self,
        folder: Path,
        result: BakedWeights,
        groups: Sequence[Sequence[str]],
        metadata: Mapping[str, str],
        progress: Progress | None,
    ) -> None:
        """Write the files of weights, what lists them, and configurations that are no longer true."""
        self._widen_configs(folder)
        done, maps = 0, dict[Path, dict[str, str]]()
        for shard, keys in zip(self.shards, groups, strict=True):
            target = folder / shard.reader.path.relative_to(self.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            names = {key: key.removeprefix(shard.prefix) for key in keys}
            own = {"format": "pt", **(metadata if not done else {})}
            with atomic_stream(target) as stream:
                write_entries(stream, result, names, own)
            maps.setdefault(target.parent, {}).update(dict.fromkeys(names.values(), target.name))
            done += len(keys)
            if progress is not None:
                progress(done, len(result.entries))
        for parent, weights in maps.items():
            self._write_index(folder, parent, weights)

    def _widen_configs(self, folder: Path) -> None:
        """Let the configurations say how wide the networks' inputs are now."""
        for key in self.widened:
            shard, name = self._owners[key]
            file = shard.reader.path.parent / CONFIG
            config = read_json(file) if file.is_file() else {}
            table = widen_config(config, shard.reader.entries[name].shape[1], self.entries[key].shape[1])
            text = f"{json.dumps(table, indent=2)}\n"
            (folder / file.relative_to(self.path)).write_text(text, encoding="utf-8")

    def _group_keys(self, result: BakedWeights) -> list[list[str]]:
        """Keys of each file; a new bias stands with its weight. Raises BadWeights for a scale in another file."""
        for key in result.changed & self.entries.keys():
            scale = self.find_storage(key).scale
            if scale is not None and self._owners[scale][0] is not self._owners[key][0]:
                what = "is stored with a scale that stands in another file"
                raise BadWeights(what, where=f"{self.path}, {key}", fix="bake into one file")
        groups: dict[int, list[str]] = {id(shard): [] for shard in self.shards}
        for key in result.entries:
            owner = key if key in self._owners else f"{key.rpartition('.')[0]}.weight"
            groups[id(self._owners[owner][0])].append(key)
        return [groups[id(shard)] for shard in self.shards]

    def _write_index(self, folder: Path, parent: Path, weights: dict[str, str]) -> None:
        before = sorted((self.path / parent.relative_to(folder)).glob(f"*{INDEX}"))
        if before:
            size = sum(count_bytes(parent / name) for name in set(weights.values()))
            table = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weights.items()))}
            (parent / before[0].name).write_text(f"{json.dumps(table, indent=2)}\n", encoding="utf-8")


def _is_replaced(file: Path, files: set[Path]) -> bool:
    return file in files or (file.name.endswith(INDEX) and any(file.parent == one.parent for one in files))


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def open_folder(path: Path, stack: ExitStack) -> FolderCheckpoint:
    """The networks of a folder: its own, or those of a pipeline's parts that adapters change.

    Raises BadWeights for a folder that is neither, and for pickled or damaged files.
    """
    pipeline = (path / PIPELINE).is_file()
    places = {f"{part}.": path / part for part in PARTS if (path / part).is_dir()} if pipeline else {"": path}
    shards: list[Shard] = []
    for prefix, folder in places.items():
        for file in find_weight_files(folder).paths:
            if file.suffix != ".safetensors":
                fix = "save the model with safe_serialization, or bake into one file"
                raise BadWeights(
                    "holds pickled weights, and a folder is written as it was read", where=str(file), fix=fix
                )
            shards.append(Shard(SafetensorsReader(file, stack.enter_context(open_regular_file(file))), prefix))
    if not shards:
        raise BadWeights("holds no network that adapters change", where=str(path), fix="give a diffusers folder")
    return FolderCheckpoint(path, shards)
