"""Names of the files a run writes; names that would cost the user something are refused."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..errors import BadImage, WriteFailed
from .layouts import MAPS, find_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from .inputs import Source
    from .names import Name

SUFFIXES = (".png", ".npy", ".values.png", ".json")
"""Endings of everything that may be written for one map."""
LONGEST = 255
"""Bytes that a file name may have on the usual file systems."""


def to_safe_name(name: str) -> str:
    """Part of a file name that every system takes; ids stay as they are."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("_.")


class Outputs:
    """Guards one run's file names. inputs: files (masks too) that must never be written over.

    is_own: whether this program wrote a file that is there.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path], is_own: Callable[[Path], bool]) -> None:
        self.folder, self._is_own = folder, is_own
        self._inputs = {identity: path for path in inputs if (identity := _identity(path))}
        self._claimed: dict[str, Path] = {}
        self._written: dict[tuple[int, int], Path] = {}

    def claim(self, source: Source, name: Name, frame: str = "") -> str:
        """Reserve the name (with frame at its end) for the maps of one picture, or the whole file name if it is taken.

        Returns the path below the output folder. Raises BadImage.
        """
        for stem in dict.fromkeys((name.stem, source.path.name)):
            place = (name.folder / f"{stem}{frame}").as_posix()
            if self._claimed.setdefault(place, source.path) == source.path:
                return place
        first = self._claimed[(name.folder / f"{name.stem}{frame}").as_posix()]
        fix = "rename one of them, give it another output folder, or name the folder of both with --recursive"
        raise BadImage(f"its maps would have the names of those of {first}", where=str(source.path), fix=fix)

    def release(self, source: Source) -> None:
        """Give back the names of an input that was refused."""
        self._claimed = {place: path for place, path in self._claimed.items() if path != source.path}

    def check(self, output: str) -> None:
        """Refuse an output (its path below the folder, ending in .png) that may not be written. Raises BadImage."""
        path = self.folder / output
        names = [path.with_name(path.name[: -len(".png")] + suffix) for suffix in SUFFIXES]
        if len(os.fsencode(max(name.name for name in names))) > LONGEST:
            raise BadImage(
                "the name of its map would be too long", where=str(path), fix="give the input a shorter name"
            )
        for name in names:
            identity = _identity(name)
            if identity is None:
                continue
            if _is_still(self._inputs.get(identity), identity):
                raise BadImage("its map would overwrite an input", where=str(name), fix="choose another output folder")
            if _is_still(self._written.get(identity), identity):
                what = "its map would overwrite that of an input whose name differs in case or accents only"
                raise BadImage(what, where=str(name), fix="rename one of them")
        self._check_foreign(path)

    def _check_foreign(self, path: Path) -> None:
        """Refuse to replace pictures of others. Raises BadImage."""
        written = [path, path.with_name(f"{path.stem}.values.png")]
        if MAPS in path.parts and not self._is_own(path):  # what lies beside a map of ours is ours
            written.append(self.folder / find_image(path.relative_to(self.folder).as_posix()))
        for name in written:
            if name.is_file() and not self._is_own(name):
                what = "a file that this program did not write has the name of its map"
                raise BadImage(what, where=str(name), fix="move that file, or choose another output folder")

    def add(self, output: str) -> None:
        """Remember a file of this run."""
        path = self.folder / output
        if identity := _identity(path):
            self._written[identity] = path

    def free(self, path: Path) -> Path:
        """Return path, unless it is an input or a file of others. Raises WriteFailed."""
        if _identity(path) in self._inputs:
            raise WriteFailed("this is one of the inputs", where=str(path), fix="choose another output folder")
        if path.exists() and not self._is_own(path):
            fix = "move that file, or choose another output folder"
            raise WriteFailed("this program did not write this file", where=str(path), fix=fix)
        return path


def _is_still(path: Path | None, identity: tuple[int, int]) -> bool:
    """Whether a path still leads to a file; where another process replaced it, the system may reuse its number."""
    return path is not None and _identity(path) == identity


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
