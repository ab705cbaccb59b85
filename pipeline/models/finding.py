"""Models by the names that users type, in the folders of hosts and in folders given."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...adapters.prompts.library import Entry, Library
from ...core.errors import BadParameter, BadWeights, UnknownName
from ...core.file_names import check_typed_name
from ...core.setting_values import expand_path
from ...core.weights.search_paths import list_host_roots
from .folders import CONFIG, INDEX, is_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ModelKind = Literal["checkpoint", "VAE", "ControlNet", "LoRA", "embedding"]

EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
HOST_FOLDERS: dict[ModelKind, tuple[str, ...]] = {
    "checkpoint": ("models/Stable-diffusion", "models/checkpoints", "models/diffusers"),
    "VAE": ("models/VAE", "models/vae"),
    "ControlNet": (
        "models/ControlNet",
        "models/controlnet",
        "models/t2i_adapter",
        "extensions/sd-webui-controlnet/models",
    ),
    "LoRA": ("models/Lora", "models/LyCORIS", "models/loras"),
    "embedding": ("embeddings", "models/embeddings"),
}
"""Folders below the root of a host (A1111, Forge, ComfyUI)."""
OPTIONS: dict[ModelKind, str] = {
    "checkpoint": "--checkpoint-dir (model_folders=...)",
    "VAE": "--checkpoint-dir (model_folders=...)",
    "ControlNet": "--controlnet-dir (model_folders=...)",
    "LoRA": "--lora-dir (lora_folders=...)",
    "embedding": "--embedding-dir (embedding_folders=...)",
}
"""How a user names a folder of a kind."""
_HASH = re.compile(r"\s*\[([0-9a-fA-F]{8,64})\]\s*$")


class Name(NamedTuple):
    """What a user typed, and the hash that A1111 writes behind a name; empty without."""

    text: str
    digest: str


def split_hash(name: str) -> Name:
    """Name and hash of "name [6ce0161689]"."""
    match = _HASH.search(name)
    return Name(name[: match.start()], match[1].lower()) if match else Name(name, "")


def find_checkpoint(name: str, folders: Sequence[Path] = ()) -> Path:
    """File or diffusers folder of a base model. Raises as `find_model`."""
    return find_model(name, "checkpoint", folders)


def find_vae(name: str, folders: Sequence[Path] = ()) -> Path:
    """File or folder of a VAE. Raises as `find_model`."""
    return find_model(name, "VAE", folders)


def find_control(name: str, folders: Sequence[Path] = ()) -> Path:
    """File or folder of a ControlNet, Control-LoRA or T2I-adapter. Raises as `find_model`."""
    return find_model(name, "ControlNet", folders)


def find_model(name: str, kind: ModelKind, folders: Sequence[Path] = ()) -> Path:
    """A file, or a folder in diffusers' form, by its path or by a name as in A1111 and ComfyUI.

    Names: with or without extension, sub-folder and "[hash]". folders: looked at before the hosts'. Raises UnknownName
    with the nearest names and the folders, BadParameter when several have the name (they are listed), BadWeights for a
    path where nothing is.
    """
    text = check_typed_name(split_hash(name).text, kind).strip()
    if not text:
        raise BadParameter(f"no {kind} is named", where=kind, fix="give the name or path of one")
    path = expand_path(Path(text))
    if _is_model(path):
        return path
    if path.is_absolute() or text.startswith("."):
        raise BadWeights("is no file or folder of a model", where=text, fix="check the path")
    roots = list_roots(kind, folders)
    try:
        return scan_models(roots).find(text.replace("\\", "/"))
    except UnknownName as error:
        raise UnknownName(f"no {kind} is called {text!r}", where=kind, fix=_advise(error.fix, kind, roots)) from error
    except BadParameter as error:
        raise BadParameter(error.what, where=kind, fix=error.fix) from error


def list_roots(kind: ModelKind, folders: Sequence[Path] = ()) -> list[Path]:
    """Folders that are looked at for a kind: those given, then those of hosts that are there."""
    hosts = (root / name for root in list_host_roots() for name in HOST_FOLDERS[kind])
    roots = dict.fromkeys([*folders, *(folder for folder in hosts if folder.is_dir())])
    real = {os.path.realpath(root): root for root in reversed(list(roots))}  # one folder under two spellings
    return [root for root in roots if real[os.path.realpath(root)] == root]


def scan_models(roots: Sequence[Path]) -> Library:
    """Files of weights and diffusers folders below the roots; files inside such folders have no name of their own."""
    own = [entry for root in roots for entry in _list_folders(root.absolute())]
    inside = tuple(entry.path for entry in own)
    files = [
        entry
        for entry in Library.scan(roots, extensions=EXTENSIONS).entries
        if not any(entry.path.is_relative_to(folder) for folder in inside)
    ]
    return Library(tuple(sorted([*own, *files], key=lambda entry: str(entry.path))), EXTENSIONS)


def _list_folders(root: Path) -> Iterator[Entry]:
    visited = set[str]()
    for name, folders, files in os.walk(root, followlinks=True):
        visited.add(os.path.realpath(name))
        path = Path(name)
        whole = INDEX in files or is_pipeline(path)
        if path != root and (whole or (CONFIG in files and any(Path(file).suffix in EXTENSIONS for file in files))):
            folders.clear()
            yield Entry(path, path.relative_to(root).as_posix())
        else:
            folders[:] = [one for one in folders if os.path.realpath(path / one) not in visited]


def _is_model(path: Path) -> bool:
    """Whether a path is that of a folder in diffusers' form or of a file; what is in a file is seen when it is read."""
    try:
        if path.is_dir():
            return is_pipeline(path) or (path / CONFIG).is_file()
        return path.is_file() and (path.suffix.lower() in EXTENSIONS or path.is_absolute())
    except (OSError, ValueError):
        return False


def name_folder(kind: ModelKind) -> str:
    """The next step where no folder of a kind is known."""
    return f"name its folder with {OPTIONS[kind]}, or that of A1111 or ComfyUI in UNDERDRAWING_HOSTS"


def _advise(nearest: str, kind: ModelKind, roots: Sequence[Path]) -> str:
    if not roots:
        return f"give a path, or {name_folder(kind)}"
    return f"{nearest}{'' if nearest.endswith('?') else '.'} Looked in {', '.join(map(str, roots))}"
