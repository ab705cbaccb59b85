"""Names in prompts -> files, looked up among what the declared folders hold.

A name is never joined to a path: the folders are listed, and the name is compared with what was found. So no name can
open, or even look at, anything outside.
"""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import BadParameter, UnknownName
from ...core.file_names import LONGEST, check_relative_name

EXTENSIONS = (".safetensors", ".pt", ".ckpt", ".bin")
RESERVED = frozenset({"none", "addams"})
"""Aliases that A1111 never accepts, in lower case: every other training run is called that."""


@dataclass(frozen=True)
class Entry:
    """A file that can be named: `path`, and its names `sub/name` and `name` without the extension."""

    path: Path
    relative: str
    alias: str = ""

    @property
    def stem(self) -> str:
        """Name without sub-folder and extension."""
        return self.relative.rpartition("/")[2]


def resolve(
    name: str,
    folders: Sequence[Path],
    *,
    aliases: Mapping[Path, str] | None = None,
    extensions: Sequence[str] = EXTENSIONS,
) -> Path:
    """The one file that a name means. See Library.find for the rules and the errors."""
    return Library.scan(folders, aliases=aliases, extensions=extensions).find(name)


@dataclass(frozen=True)
class Library:
    """What the declared folders held when they were scanned."""

    entries: tuple[Entry, ...]
    extensions: tuple[str, ...] = EXTENSIONS

    @classmethod
    def scan(
        cls,
        folders: Sequence[Path],
        *,
        aliases: Mapping[Path, str] | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        spare: Sequence[Path] = (),
    ) -> Library:
        """List the folders and their sub-folders; opens no file.

        spare: folders whose files count where the others hold none of that name. aliases: file -> the `ss_output_name`
        in its metadata. Links to files and folders are followed, wherever they
        lead, as users lay out their drives; a folder that was visited is not visited again. A folder that does not
        exist is empty.
        """
        names = {path.resolve(): alias for path, alias in (aliases or {}).items()}
        found = {path: relative for folder in folders for path, relative in _files(folder.absolute(), extensions)}
        stems = {_folded(path.stem) for path in found}
        found |= {
            path: relative
            for folder in spare
            for path, relative in _files(folder.absolute(), extensions)
            if _folded(path.stem) not in stems
        }
        return cls(
            tuple(Entry(path, relative, names.get(path, "")) for path, relative in sorted(found.items())),
            tuple(extensions),
        )

    def find(self, name: str) -> Path:
        """The file that a name means, by the first rule that gives one or more.

        1. `sub/name`, path in its folder without extension; 2. `name`, the file name without extension; 3. the alias;
        4. to 6. the same with the extension written; then all of these without regard to case. The first three are
        exact, so that "Foo" and "foo" can both be named; A1111 knows stems and aliases in their exact case only.
        Raises BadParameter when several files answer (they are listed), or when it cannot be a name; UnknownName.
        """
        target = _normal(check_relative_name(name))
        for fold in (_normal, _folded):
            for text in (target, self._without_extension(target)):
                for key in _KEYS:
                    if hits := [entry for entry in self.entries if text and fold(key(entry)) == fold(text)]:
                        return self._only(name, hits, target)
        raise UnknownName(f"no file is called {name!r}", where="name", fix=self._nearest(target))

    def list_named(self, text: str | None) -> list[Path]:
        """Files whose names stand in a text, whatever the case; all of them for None."""
        folded = None if text is None else _folded(text)
        return [entry.path for entry in self.entries if folded is None or _folded(entry.stem) in folded]

    def _without_extension(self, name: str) -> str:
        stem, dot, extension = name.rpartition(".")
        return stem if dot + extension.lower() in self.extensions else ""

    def _only(self, name: str, hits: list[Entry], target: str) -> Path:
        if len(hits) > 1:
            hits = [hit for hit in hits if _normal(hit.path.name) == target.rpartition("/")[2]] or hits
        if len(hits) > 1:
            names = [f"{hit.relative}{hit.path.suffix}" for hit in hits]
            twins = len(set(names)) < len(names)
            shown = ", ".join(repr(str(hit.path) if twins else own) for hit, own in zip(hits, names, strict=True))
            raise BadParameter(
                f"{name!r} may mean {len(hits)} files: {shown}",
                where="name",
                fix="rename one of them, or name one folder only"
                if twins
                else "write the sub-folder or the extension too",
            )
        return hits[0].path

    def _nearest(self, name: str) -> str:
        known = sorted({entry.stem for entry in self.entries})
        near = difflib.get_close_matches(name[:LONGEST], known, n=3)
        return (
            f"did you mean {' or '.join(near)}?" if near else f"the folders hold {len(known)} files; check the spelling"
        )


_KEYS: tuple[Callable[[Entry], str], ...] = (
    lambda entry: entry.relative,
    lambda entry: entry.stem,
    lambda entry: "" if entry.alias.casefold() in RESERVED else entry.alias,
)


def _normal(text: str) -> str:
    """One spelling of letters that Unicode can write in two ways (macOS writes the other one)."""
    return unicodedata.normalize("NFC", text)


def _folded(text: str) -> str:
    return _normal(text).casefold()


def _files(root: Path, extensions: Sequence[str]) -> list[tuple[Path, str]]:
    """Files below root with their relative names, `/` as separator on every system."""
    found: list[tuple[Path, str]] = []
    visited = set[str]()
    for folder, folders, names in os.walk(root, followlinks=True):
        visited.add(os.path.realpath(folder))
        folders[:] = [name for name in folders if os.path.realpath(Path(folder) / name) not in visited]
        for path in (Path(folder) / name for name in names if Path(name).suffix.lower() in extensions):
            if path.is_file():
                found.append((path, path.relative_to(root).with_suffix("").as_posix()))
    return found
