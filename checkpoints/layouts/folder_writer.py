"""Writes values as a diffusers folder: all of it, or nothing."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...adapters.modules.parts import TEXT_ENCODER, UNET
from ...core.errors import BadWeights, WriteFailed
from ...core.files import atomic_folder, atomic_write
from ...core.regular_files import read_regular_file
from ...core.tensor_files.json_objects import read_json
from ..writer import ValueWriter, lay_out
from .folder_configs import make_configs
from .folder_reader import CONFIG, INDEX, combine_hashes, list_networks
from .network_values import split_values
from .prediction import guess_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from torch import Tensor

    from ..values import Values

    Step = Callable[[int, int], None]

_WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx", ".pb", ".onnx_data", ".gguf")
_MOST_CONFIG = 1 << 25
"""Bytes of the largest file that is copied; tokenizers of large language models have 20 MB."""
_SHOWN = 3


class WrittenFolder(NamedTuple):
    """files: all that were written. sha256: of the names and hashes of its files of weights. size: of these, in bytes.

    damaged: key → why its values are not finite. notes: what has no place in a folder.
    """

    files: tuple[Path, ...]
    sha256: str
    size: int
    damaged: dict[str, str]
    notes: tuple[str, ...]


class FolderWriter:
    """Writes one folder. Raises as ValueWriter.

    template: a folder whose other files (configurations, tokenizers) belong to the model; None to make them anew.
    check: called with bytes done and all; raises to stop.
    """

    def __init__(self, values: Values, template: Path | None, check: Step, *, allow_damaged: bool = False) -> None:
        self._values, self._template, self._check, self._allow_damaged = values, template, check, allow_damaged
        networks = tuple(list_networks(template)) if template is not None else ()
        self._split = split_values(values, networks)
        if template is None and self._split.family is None:
            what = "is of a model whose diffusers folder can only be made from another"
            raise BadWeights(what, where=values.label, fix="give a folder as the first input, or write a file")
        self._sizes = {part: lay_out(one).size for part, one in self._split.networks.items()}
        self._done = 0

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(self._sizes.values())

    @property
    def keys(self) -> int:
        """How many tensors are written."""
        return sum(len(one.entries) for one in self._split.networks.values())

    def write(self, path: Path, metadata: Mapping[str, str], *, verify: bool = False) -> WrittenFolder:
        """Write the folder, which may not be there yet. metadata: of its first file. Raises WriteFailed, BadWeights."""
        hashes, damaged, size = dict[str, str](), dict[str, str](), 0
        with atomic_folder(path, size=self.size) as folder, _name_place(folder, path):
            for name, content in self._list_configs().items():
                atomic_write(folder / name, content)
            first = next(iter(self._order()))
            for part in self._order():
                writer = ValueWriter(self._split.networks[part], self._report, allow_damaged=self._allow_damaged)
                name = f"{part}/{self._name_file(part)}"
                written = writer.write(folder / name, metadata if part == first else {"format": "pt"}, verify=verify)
                hashes[name], size = written.sha256, size + written.size
                damaged |= {f"{part}.{key}": why for key, why in writer.list_damaged().items()}
                self._done += self._sizes[part]
            self._check(self.size, self.size)
            names = sorted(one.relative_to(folder) for one in folder.rglob("*") if one.is_file())
        files = tuple(path / name for name in names)
        return WrittenFolder(files, combine_hashes(hashes), size, damaged, self.list_notes())

    def list_notes(self) -> tuple[str, ...]:
        """What is left out, and what a whole model would have."""
        notes: list[str] = []
        if left := self._split.left:
            shown = ", ".join(left[:_SHOWN]) + (f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else "")
            notes.append(f"{len(left)} entries have no place in a diffusers folder and are left out: {shown}")
        if self._template is None and (missing := [part for part in (UNET, "vae") if part not in self._sizes]):
            notes.append(f"the folder has no {' and no '.join(missing)}, which a whole model needs")
        return tuple(notes)

    def _order(self) -> list[str]:
        """Networks, the UNet first."""
        return sorted(self._split.networks, key=lambda part: (part != UNET, part))

    def _report(self, done: int, total: int) -> None:
        """Progress of one file as that of all; the end is said when all is written."""
        if done < total:
            self._check(min(self._done + done, self.size - 1), self.size)

    def _name_file(self, part: str) -> str:
        kind = "" if self._template is None else str(self._read_config(part).get("architectures", ""))
        return "model.safetensors" if kind or part.startswith(TEXT_ENCODER) else "diffusion_pytorch_model.safetensors"

    def _read_config(self, part: str) -> dict[str, Any]:
        found = self._template / part / CONFIG if self._template is not None else Path()
        return read_json(found) if found.is_file() else {}

    def _list_configs(self) -> dict[str, bytes]:
        if self._template is not None:
            return copy_configs(self._template, set(self._split.networks))
        assert self._split.family is not None  # checked at the beginning
        shapes = {part: {n: e.shape for n, e in one.entries.items()} for part, one in self._split.networks.items()}
        guess = guess_prediction(_Readable(self._values), self._split.family, Path(self._values.label))
        return make_configs(self._split.family, shapes, guess)


@contextmanager
def _name_place(folder: Path, path: Path) -> Generator[None]:
    """Report what cannot be written by the name that it was to get, not by that of the folder meanwhile."""
    try:
        yield
    except WriteFailed as error:
        place = Path(error.where)
        where = path / place.relative_to(folder) if place.is_relative_to(folder) else place
        raise WriteFailed(error.what, where=str(where), fix=error.fix) from error


class _Readable:
    """Values as what guesses a model's prediction reads them."""

    def __init__(self, values: Values) -> None:
        self._values, self.metadata = values, values.metadata
        self.shapes = {key: entry.shape for key, entry in values.entries.items()}

    def read(self, name: str) -> Tensor:
        """A whole tensor."""
        return self._values.read(name, 0, math.prod(self.shapes[name])).reshape(self.shapes[name])


def copy_configs(template: Path, networks: set[str]) -> dict[str, bytes]:
    """Files of a folder that hold no weights, by relative name; networks that are not written leave its index."""
    found: dict[str, bytes] = {}
    folders = [template, *(one for one in sorted(template.iterdir()) if one.is_dir() and not one.name.startswith("."))]
    absent = {name for name, folder in list_networks(template).items() if name not in networks and folder != template}
    absent |= {one.name for one in folders[1:] if (one / CONFIG).is_file() and one.name not in networks}
    for folder in folders:
        for file in sorted(folder.iterdir()) if folder.name not in absent else ():
            weights = file.suffix in _WEIGHTS or ".index." in file.name
            if file.is_file() and not weights and file.stat().st_size <= _MOST_CONFIG:
                found[file.relative_to(template).as_posix()] = read_regular_file(file)
    if INDEX in found and absent:
        index = json.loads(found[INDEX])
        index |= {name: [None, None] for name in absent if name in index}
        found[INDEX] = json.dumps(index, indent=2).encode() + b"\n"
    return found
