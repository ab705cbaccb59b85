"""Files of poses that a user names: files, folders and globs, in a stable order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..batch.globs import expand_glob
from ..errors import BadImage

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIX = ".json"
"""What is taken from a folder; a file named outright is tried whatever its name."""


class PoseInputs(NamedTuple):
    """Files, each once. several: a folder or a glob was named, or more than one file."""

    files: list[Path]
    several: bool


def expand_pose_files(paths: Iterable[Path]) -> PoseInputs:
    """Find the files of paths. Raises BadImage for a folder or a glob that gives none."""
    given = list(paths)
    found: dict[Path, None] = {}
    for path in given:
        files = _expand(path)
        if not files:
            what = "the folder holds no JSON" if path.is_dir() else "no file matches"
            raise BadImage(what, where=str(path), fix="name the files, or a folder of OpenPose JSON")
        found.update(dict.fromkeys(files))
    return PoseInputs(list(found), len(given) > 1 or list(found) != given)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(path.iterdir())
        return [one for one in inside if one.suffix.lower() == SUFFIX and one.name[:1] != "." and one.is_file()]
    if path.exists() or not any(letter in str(path) for letter in "*?["):
        return [path]
    return expand_glob(str(path)).files
