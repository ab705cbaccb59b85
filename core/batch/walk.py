"""What lies in a folder: its files, and what is passed over, counted by reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SUB_FOLDER, HIDDEN, DANGLING, REPEATED = "sub folder", "hidden", "dangling link", "link to a folder taken already"
SPECIAL, UNREADABLE = "special file", "unreadable"
Identity = tuple[int, int]


@dataclass
class Walk:
    """Regular files below a folder, sorted, how much else there is by reason, and the endings of other formats."""

    files: list[Path] = field(default_factory=list[Path])
    passed: Counter[str] = field(default_factory=Counter[str])
    endings: Counter[str] = field(default_factory=Counter[str])


def walk_folder(folder: Path, *, recursive: bool) -> Walk:
    """Find the files of a folder; hidden ones (also macOS's ``._name``) are passed over.

    With recursive, folders below are entered once each: those with their own place first, then those that only a link
    leads to. A link back to a folder that was entered is passed over, so that loops end. Raises OSError when the folder
    itself cannot be read.
    """
    walk, entered, waiting = Walk(), set[Identity](), list[Path]()
    queue = [folder]
    _list_folder(folder)  # the folder itself must be readable
    while queue or waiting:
        linked = not queue
        place = waiting.pop(0) if linked else queue.pop()
        identity = find_identity(place)
        if identity is None or identity in entered:
            walk.passed[UNREADABLE if identity is None else REPEATED] += 1
            continue
        entered.add(identity)
        folders, links = _sort_entries(place, walk)
        if recursive:
            queue.extend(reversed(folders))
            waiting = sorted([*waiting, *links])
        else:
            walk.passed[SUB_FOLDER] += len(folders) + len(links)
    walk.files.sort()
    walk.passed = +walk.passed
    return walk


def _sort_entries(place: Path, walk: Walk) -> tuple[list[Path], list[Path]]:
    """Add the files of one folder to walk; return its folders and its links to folders."""
    folders, links = list[Path](), list[Path]()
    try:
        entries = _list_folder(place)
    except OSError:
        walk.passed[UNREADABLE] += 1
        return [], []
    for entry in entries:
        path = place / entry.name
        if entry.name.startswith("."):
            walk.passed[HIDDEN] += 1
        elif reason := explain_no_file(path):
            walk.passed[reason] += reason != SUB_FOLDER
            if reason == SUB_FOLDER:
                (links if entry.is_symlink() else folders).append(path)
        else:
            walk.files.append(path)
    return folders, links


def _list_folder(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def find_identity(path: Path) -> Identity | None:
    """Device and number of what a path leads to; None when it leads nowhere."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def find_real_path(path: Path) -> Path:
    """Where a path leads to, without links; one that leads to itself stays as it is, and nothing is raised."""
    return Path(os.path.realpath(path))


def explain_no_file(path: Path) -> str:
    """Why a path is no regular file: one of the reasons above; empty for a regular file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return DANGLING if path.is_symlink() else UNREADABLE
    if stat.S_ISREG(mode):
        return ""
    return SUB_FOLDER if stat.S_ISDIR(mode) else SPECIAL
