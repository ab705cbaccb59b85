"""Globs as Python's, with ``**``, over folders that may be linked in circles."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .walk import REPEATED, Walk, explain_no_file, walk_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAGIC = re.compile(r"[*?[]")
ANY = "**"


def expand_glob(pattern: str) -> Walk:
    """Find the files a pattern matches, sorted; whatever else it matches is counted.

    ``**`` stands for any number of folders, as in `glob.glob(..., recursive=True)`; hidden ones are left out. A file
    that is reached through several links to one folder comes once, under the place without a link where it has one.
    """
    parts = Path(pattern).parts
    if ANY not in parts:
        matches = (Path(match) for match in sorted(glob.glob(pattern)))  # noqa: PTH207 - absolute patterns
        return _sort_matches(matches)
    at = parts.index(ANY)
    found = Walk()
    for folder in _find_starts(Path(*parts[:at])):
        try:
            walk = walk_folder(folder, recursive=True)
        except OSError:
            continue
        found.files.extend(path for path in walk.files if _matches(path.relative_to(folder).parts, parts[at:]))
        found.passed.update(walk.passed)
    found.passed = +found.passed
    return found


def find_base(pattern: str) -> Path:
    """Folder in front of the first part with a wildcard."""
    parts = Path(pattern).parts
    return Path(*parts[: next((at for at, part in enumerate(parts) if MAGIC.search(part)), len(parts))])


def _find_starts(start: Path) -> list[Path]:
    matches = sorted(glob.glob(str(start))) if MAGIC.search(str(start)) else [start]  # noqa: PTH207 - absolute patterns
    return [Path(match) for match in matches if os.path.isdir(match)]  # noqa: PTH112 - never raises


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether names of folders and a file fit the parts of a pattern."""
    if not parts:
        return not names
    if parts[0] == ANY:
        return bool(names) if len(parts) == 1 else any(_matches(names[at:], parts[1:]) for at in range(len(names)))
    return bool(names) and fnmatch.fnmatch(names[0], parts[0]) and _matches(names[1:], parts[1:])


def _sort_matches(matches: Iterable[Path]) -> Walk:
    walk, places = Walk(), dict[tuple[str, str], Path]()
    for path in matches:
        if reason := explain_no_file(path):
            walk.passed[reason] += 1
            continue
        place = (os.path.realpath(path.parent), path.name)
        first = places.setdefault(place, path)
        if first != path:
            walk.passed[REPEATED] += 1
            if os.path.realpath(path.parent) == os.path.abspath(path.parent):  # noqa: PTH100 - links stay what they are
                places[place] = path
    walk.files = sorted(places.values())
    return walk
