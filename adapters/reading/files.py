"""Opens any adapter or embedding file without trusting it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ...core.regular_files import read_text_file
from ...core.tensor_files.safetensors_io import read_header, read_safetensors
from ...core.tensor_files.torch_files import PICKLED, WRAPPERS, find_state_dict, read_checkpoint
from ..modules.architectures import UNKNOWN
from ..modules.parts import PARTS
from .lone_encoder import find_lone_encoder
from .other_models import find_transformer_model

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from .recognition import Recognition

CONFIG, MOST_CONFIG = "adapter_config.json", 1 << 20
IN_FOLDERS = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors", "adapter_model.bin")


@dataclass(frozen=True)
class RawFile:
    """What a file holds, before anybody knows what it means.

    tensors: by key. sequence: the tensors of a file that is a bare list. rest: keys whose value is no tensor. metadata:
    of the safetensors header, as text. config: PEFT's adapter_config.json beside the file, or empty. beside: the base
    model of the folder that this one lies beside, where it is known.
    """

    path: Path
    tensors: dict[str, Tensor]
    sequence: tuple[Tensor, ...] = ()
    rest: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    beside: Recognition | None = None

    @cached_property
    def recognition(self) -> Recognition | None:
        """The base model, where it is one with a transformer whose layers are known; else None."""
        return self.beside or find_transformer_model(self.tensors, self.metadata)

    @property
    def architecture(self) -> str:
        """Id of the base model, where it is one with a transformer; else UNKNOWN."""
        return self.recognition.architecture if self.recognition is not None else UNKNOWN

    @cached_property
    def lone_encoder(self) -> str:
        """Part that a text encoder without a number is."""
        return find_lone_encoder(self.tensors)


def read_file(path: str | os.PathLike[str]) -> RawFile:
    """Read a .safetensors or pickled file, or a folder written by PEFT's save_pretrained.

    Raises BadWeights for a damaged or missing file, UnsafeFile for one with more than tensors in plain containers.
    """
    found = _file(Path(path))
    if found.suffix.lower() in PICKLED:
        return _pickled(found)
    header = read_header(found)
    return RawFile(found, read_safetensors(found, header), metadata=dict(header.metadata), config=_config(found))


def find_part_folders(path: Path) -> list[Path]:
    """Folders of PEFT's inside a folder, one for each part of the model (`lora convert --to peft` writes such)."""
    if not path.is_dir() or _in_folder(path) is not None:
        return []
    return [path / part for part in PARTS if (path / part).is_dir() and _in_folder(path / part) is not None]


def list_read_files(path: Path) -> list[Path]:
    """Files that decide what is read for a path, also those that are not there yet: PEFT's configuration beside a file,
    and everything that is looked for in a folder."""
    if not path.is_dir():
        return [path, path.with_name(CONFIG)]
    folders = [path, *(path / part for part in PARTS)]
    return [folder / name for folder in folders for name in (*IN_FOLDERS, CONFIG)]


def _in_folder(path: Path) -> Path | None:
    return next((path / name for name in IN_FOLDERS if (path / name).is_file()), None)


def _file(path: Path) -> Path:
    if path.is_dir():
        found = _in_folder(path)
        if found is not None:
            return found
        raise BadWeights(
            "holds no adapter_model or pytorch_lora_weights file", where=str(path), fix="name the file itself"
        )
    if not path.is_file():
        what = "is no regular file (a pipe, socket or device)" if path.exists() else "is not there"
        raise BadWeights(what, where=str(path), fix="check the name")
    return path


def _pickled(path: Path) -> RawFile:
    content = read_checkpoint(path)
    if isinstance(content, list | tuple):
        if not content or not all(isinstance(entry, torch.Tensor) for entry in content):
            raise BadWeights("is a list of something else than tensors", where=str(path))
        return RawFile(path, {}, sequence=tuple(content), config=_config(path))
    if isinstance(content, dict) and any(isinstance(key, int) for key in content):  # a hypernetwork's widths
        content = {str(key): value for key, value in content.items()}
    table = find_state_dict(content, unwrap=WRAPPERS)
    tensors = {key: value for key, value in table.items() if isinstance(value, torch.Tensor)}
    return RawFile(path, tensors, rest=tuple(key for key in table if key not in tensors), config=_config(path))


def _config(path: Path) -> dict[str, Any]:
    file = path.parent / CONFIG
    if not file.exists():
        return {}
    if file.stat().st_size > MOST_CONFIG:
        raise BadWeights(f"is larger than {MOST_CONFIG} bytes", where=str(file))
    try:
        config = json.loads(read_text_file(file))
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"cannot be read as JSON ({error})", where=str(file), fix="repair or remove it") from error
    return config if isinstance(config, dict) else {}
