"""Files that requests name: only those that the host's folders hold when they are listed.

A name is never joined to a path to read it: the folders are listed, and the name is compared with what was found, so
that no name can open, or even look at, anything outside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.prompts.library import EXTENSIONS, Library
from ..core.errors import BadParameter
from ..core.file_names import check_relative_name

if TYPE_CHECKING:
    from ..core.hooks import FileKind, HostHooks

SUFFIXES: dict[FileKind, tuple[str, ...]] = {
    "checkpoint": (".safetensors", ".ckpt", ".pt", ".json", ".tsv", ".txt"),
    "embedding": (*EXTENSIONS, ".png", ".webp"),
    "lora": EXTENSIONS,
    "vae": EXTENSIONS,
}
"""Kind → endings of its files; among checkpoints also recipes and presets, which parameters name."""
MODELS = (".safetensors", ".ckpt", ".pt", ".bin", ".png", ".webp")
"""Endings of what a list of files shows."""


def list_files(host: HostHooks, kind: FileKind) -> dict[str, Path]:
    """Files of a kind in the host's folders: sub-folder/name with its ending → path; the first folder's win."""
    found: dict[str, Path] = {}
    for folder in host.folders(kind):
        for entry in Library.scan([folder], extensions=SUFFIXES.get(kind, ())).entries:
            found.setdefault(f"{entry.relative}{entry.path.suffix}", entry.path)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def list_models(host: HostHooks, kind: FileKind) -> list[str]:
    """Names of the models among them."""
    return [name for name in list_files(host, kind) if name.lower().endswith(MODELS)]


def find_file(host: HostHooks, kind: FileKind, name: str) -> Path:
    """A file by its name in a list, or without the ending. Raises BadParameter."""
    target, files = check_relative_name(name), list_files(host, kind)
    if target in files:
        return files[target]
    hits = [path for key, path in files.items() if target in (key.rpartition(".")[0], key.rpartition("/")[2])]
    if len(hits) == 1:
        return hits[0]
    what = f"{len(hits)} files are called {name!r}" if hits else f"no {kind} file is called {name!r}"
    raise BadParameter(what, where=kind, fix="choose one of the list, with its sub-folder and ending")


def place_file(host: HostHooks, kind: FileKind, name: str) -> Path:
    """Where a new file of that name goes: into the host's first folder of its kind. Raises BadParameter."""
    target, folders = check_relative_name(name), host.folders(kind)
    if not folders:
        raise BadParameter(f"this host has no folder for {kind}", where=name, fix="leave the name out")
    return folders[0] / target


def find_free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A path that does not exist yet: the name, or it with a number. Raises BadParameter for a name that is none."""
    name = check_relative_name(f"{stem}{suffix}")
    path, number = folder / name, 1
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path


def name_file(host: HostHooks, kind: FileKind, path: Path) -> str:
    """What lists call a file: its path below the folder it lies in, or its name."""
    inside = (folder for folder in host.folders(kind) if path.is_relative_to(folder))
    folder = next(inside, None)
    return path.relative_to(folder).as_posix() if folder else path.name
