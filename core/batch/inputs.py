"""Which files a user means: paths, globs and folders, in a stable order."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".apng", ".mpo")
) | {".heic", ".heif"}
"""What is taken from a folder; a file named outright is tried whatever its name."""


class Source(msgspec.Struct, frozen=True):
    """An input file, and where below the output folder its maps go. problem: why it is refused without a look."""

    path: Path
    folder: Path = Path()
    problem: str = ""


class Inputs(msgspec.Struct, frozen=True):
    """Files in the order given; left_out: how many maps of earlier runs were not taken as inputs."""

    sources: list[Source]
    left_out: int = 0


def expand_inputs(
    inputs: tuple[str, ...], *, recursive: bool, is_map: Callable[[Path], bool], origins: dict[Path, Path]
) -> Inputs:
    """Find the files of inputs; folders and globs sorted.

    is_map: whether a file was written by us into this output folder; such files are not taken from folders and globs.
    origins: maps of earlier runs → their inputs. A map that is named outright is left out only beside its own input, as
    when a shell expands ``*.png``. What matches nothing stays in the list, so that it is reported as refused.
    """
    names = {_absolute(text) for text in inputs}
    found: dict[str, Source] = {}
    left_out = 0
    for text in inputs:
        taken = 0
        sources, outright = _expand_one(text, recursive=recursive)
        for source in sources:
            if _is_left_out(source.path, outright, is_map, origins, names):
                left_out += 1
            else:
                found.setdefault(_absolute(source.path), source)
                taken += 1
        if not taken and not outright:
            found.setdefault(_absolute(text), Source(Path(text), problem=_describe_no_match(text, len(sources))))
    return Inputs(list(found.values()), left_out)


def _is_left_out(
    path: Path, outright: bool, is_map: Callable[[Path], bool], origins: dict[Path, Path], names: set[str]
) -> bool:
    if outright:
        return _absolute(origins.get(path.resolve(), Path())) in names and path.resolve() in origins
    return is_map(path)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay what they are


def _describe_no_match(text: str, maps: int) -> str:
    besides = f" besides {maps} maps of an earlier run" if maps else ""
    return f"the folder holds no picture{besides}" if os.path.isdir(text) else f"no file matches{besides}"  # noqa: PTH112


def _expand_one(text: str, *, recursive: bool) -> tuple[list[Source], bool]:
    """Files that one argument stands for, and whether it names a file outright."""
    if os.path.isdir(text):  # noqa: PTH112 - never raises
        return _expand_folder(Path(text), recursive=recursive), False
    if os.path.lexists(text) or not any(letter in text for letter in "*?["):
        return [Source(Path(text))], True
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - absolute patterns
    return [Source(match) for match in matches if match.is_file()], False


def _expand_folder(folder: Path, *, recursive: bool) -> list[Source]:
    try:
        walk = sorted(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        return [Source(folder, problem=f"the folder cannot be read ({error.strerror or error})")]
    return [Source(path, path.parent.relative_to(folder)) for path in walk if _is_picture(path)]


def _is_picture(path: Path) -> bool:
    """Whether a file of a folder is taken; hidden ones (also macOS's ``._name``) are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
