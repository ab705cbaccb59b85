"""A model in diffusers' form, read as if it were one file: a folder of networks, each in one or several files."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

from ...adapters.modules.parts import UNET
from ...core.errors import BadWeights
from ...core.tensor_files.json_objects import read_json
from ...core.tensor_files.safetensors_io import Entry, encode_tensor
from ...core.tensor_files.tensor_reader import TensorReader, find_dtype, open_reader
from ...core.tensor_files.weight_files import find_weight_files
from .configurations import find_family
from .original import PREFIXES, VAE, Source, name_sources
from .reading import open_tensor_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from torch import Tensor

    from .configurations import Family

INDEX, CONFIG = "model_index.json", "config.json"
UNET_CLASS = "UNet2DConditionModel"
_ALONE = {UNET_CLASS: UNET, "AutoencoderKL": VAE}
"""Class of a network whose folder stands alone → its part in a model."""
_BESIDE = ("safety_checker", "image_encoder")
"""Networks of Stable Diffusion's folders that are no part of the model."""


class Place(NamedTuple):
    """Where a tensor stands. owner: reader of its file; source: its names there, in order."""

    owners: tuple[TensorReader, ...]
    source: Source


class FolderReader(TensorReader):
    """The networks of a folder under the keys that a single file has for them.

    family: None for models other than Stable Diffusion, whose keys are those of their networks' files behind the names
    of the networks, as are those that a single file has no place for. networks: names of its sub-folders. notes: what
    was passed over.
    """

    def __init__(self, path: Path, networks: Mapping[str, Sequence[TensorReader]], notes: Iterable[str] = ()) -> None:
        self.notes, self.networks = list(notes), tuple(networks)
        owners = {part: {n: one for one in readers for n in one.entries} for part, readers in networks.items()}
        unet = {name: one.entries[name].shape for name, one in owners.get(UNET, {}).items()}
        self.family: Family | None = find_family(unet) if unet else None
        if unet and not any(name.startswith("down_blocks.") for name in unet):
            self.family = None
        self._places = {key: place for part in owners for key, place in self._find_places(part, owners[part]).items()}
        self._transposed: tuple[str, memoryview] = "", memoryview(b"")
        metadata: dict[str, str] = {}
        for one in (one for readers in networks.values() for one in readers):
            metadata |= one.metadata
        super().__init__(path, _lay_out(self._places, str(path)), metadata)

    def _find_places(self, part: str, owners: Mapping[str, TensorReader]) -> dict[str, Place]:
        shapes = {name: one.entries[name].shape for name, one in owners.items()}
        family: Family = self.family or ("sd1" if part == VAE and len(self.networks) == 1 else None)  # type: ignore[assignment]
        sources = name_sources(part, family, shapes) if family and part in PREFIXES[family] else {}
        used = {name for source in sources.values() for name in source.names}
        left = {f"{part}.{name}": Source((name,), shape) for name, shape in shapes.items() if name not in used}
        every = {key: Place(tuple(owners[n] for n in s.names), s) for key, s in (sources | left).items()}
        order = {name: number for number, name in enumerate(owners)}
        return dict(sorted(every.items(), key=lambda item: order[item[1].source.names[0]]))

    def tensor(self, name: str) -> Tensor:
        """Read into memory of its own."""
        import torch

        owners, source = self._places[name]
        parts = [owner.tensor(own) for owner, own in zip(owners, source.names, strict=True)]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return (whole.T.contiguous() if source.transposed else whole).reshape(source.shape)

    def read(self, name: str, begin: int, into: memoryview) -> None:
        """Read from the files that hold it."""
        owners, source = self._places[name]
        if source.transposed:
            if self._transposed[0] != name:
                self._transposed = name, encode_tensor(self.tensor(name))
            into[:] = self._transposed[1][begin : begin + len(into)]
            return
        done = 0
        for owner, own in zip(owners, source.names, strict=True):
            size = owner.entries[own].end - owner.entries[own].begin
            count = min(size - begin, len(into) - done)
            if count > 0:
                owner.read(own, begin, into[done : done + count])
                done += count
            begin = max(0, begin - size)


def _lay_out(places: Mapping[str, Place], where: str) -> dict[str, Entry]:
    """Entries one behind the other, the larger dtypes first."""
    found, end = dict[str, Entry](), 0
    sized: list[tuple[int, str, Entry]] = []
    for key, (owners, source) in places.items():
        dtypes = {owner.entries[own].dtype for owner, own in zip(owners, source.names, strict=True)}
        if len(dtypes) > 1:
            what = f"has {', '.join(source.names)} in several dtypes"
            raise BadWeights(what, where=where, fix="convert the folder to one dtype")
        entry = Entry(dtypes.pop(), source.shape, 0, 0)
        sized.append((find_dtype(entry, f"{where}, {key}").itemsize, key, entry))
    for width, key, entry in sorted(sized, key=lambda item: -item[0]):
        begin, end = end, end + math.prod(entry.shape) * width
        found[key] = entry._replace(begin=begin, end=end)
    return found


def is_model_folder(path: Path) -> bool:
    """Whether a folder holds a model, or one network, in diffusers' form."""
    return path.is_dir() and any((path / name).is_file() for name in (INDEX, CONFIG, f"{UNET}/{CONFIG}"))


def list_networks(path: Path) -> dict[str, Path]:
    """Part → folder of its weights; that of a VAE or UNet may stand alone. Raises BadWeights for other folders."""
    if not is_model_folder(path):
        fix = f"give a file, or a folder with {INDEX}"
        raise BadWeights("is a folder, and no model in diffusers' form", where=str(path), fix=fix)
    if (path / CONFIG).is_file() and not (path / INDEX).is_file():
        return {_ALONE.get(str(read_json(path / CONFIG).get("_class_name", "")), path.name): path}
    index = read_json(path / INDEX) if (path / INDEX).is_file() else {}
    named = {name for name, value in index.items() if value != [None, None]}
    folders = sorted(one for one in path.iterdir() if (one / CONFIG).is_file() and (not index or one.name in named))
    first = [path / UNET, path / VAE]  # the order of single files
    return {one.name: one for one in sorted(folders, key=lambda one: first.index(one) if one in first else len(first))}


def list_model_files(path: Path) -> list[Path]:
    """Files of weights of a model: itself, or those of a folder's networks. Raises BadWeights."""
    if not path.is_dir():
        return [path]
    found = [file for one in _choose_networks(path)[0].values() for file in find_weight_files(one).paths]
    if not found:
        raise BadWeights("holds no weights", where=str(path), fix="download the folder again")
    return found


def hash_model(path: Path, hash_file: Callable[[Path], str]) -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's files of weights. Raises OSError, BadWeights."""
    if not path.is_dir():
        return hash_file(path)
    return combine_hashes({file.relative_to(path).as_posix(): hash_file(file) for file in list_model_files(path)})


def combine_hashes(hashes: Mapping[str, str]) -> str:
    """SHA-256 of a folder. hashes: relative name → sha256 of a file.

    >>> combine_hashes({"unet/a.safetensors": "00"})[:8]
    'e348c0b1'
    """
    lines = "".join(f"{name}\0{sha256}\n" for name, sha256 in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def open_model(path: Path, stack: ExitStack) -> TensorReader:
    """The reader of a file or of a folder in diffusers' form, open until the stack closes.

    Raises BadWeights, UnsafeFile.
    """
    if not path.is_dir():
        return stack.enter_context(open_reader(path))
    folders, notes = _choose_networks(path)
    networks: dict[str, list[TensorReader]] = {}
    for part, folder in folders.items():
        files = find_weight_files(folder)
        if files.variant:
            notes.append(f"{path.name}/{folder.name}: the files of the variant {files.variant} are read")
        networks[part] = [open_tensor_file(file, stack) for file in files.paths]
    return FolderReader(path, networks, notes)


def _choose_networks(path: Path) -> tuple[dict[str, Path], list[str]]:
    """Networks that belong to the model, and notes on the others."""
    folders = list_networks(path)
    others = [name for name in _BESIDE if name in folders and len(folders) > 1]
    notes = [f"{path.name}: {name} is no part of the model and left out" for name in others]
    return {name: one for name, one in folders.items() if name not in others}, notes
