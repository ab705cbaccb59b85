"""Paths of pictures in tables, which its maker chose: only what lies beside a table is read unless a user agrees."""

from __future__ import annotations

import posixpath
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from ..remote import is_url

if TYPE_CHECKING:
    from ..rows import Shard

ALLOW = "--allow-outside"
LONGEST = 200
"""Characters of a path that are shown."""


class TablePaths:
    """Paths that the rows of one table name, relative to its folder. allow_outside: they may lead out of it."""

    def __init__(self, shard: Shard, *, allow_outside: bool = False) -> None:
        self.folder, self.allow_outside = Path(shard.path).parent, allow_outside
        self.is_remote = is_url(shard.url or shard.path)

    def find(self, name: str) -> tuple[str, str]:
        """Path of a picture, and why it is not read; empty where it is."""
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        if is_url(name):
            return shown, "it names a URL, which is not fetched: download the pictures first, or store their bytes"
        outside = leads_outside(name)
        if outside and not self.allow_outside:
            what = "which leads out of the table's folder"
            return shown, f"it names {shown!r}, {what}: {ALLOW} reads it, if you trust the table"
        if self.is_remote and not Path(name).is_absolute():
            what = "and beside a table behind a URL nothing is read"
            return shown, f"it names {shown!r}, {what}: store the bytes in the table, or download all"
        return str(self.folder / name), ""


def leads_outside(name: str) -> bool:
    """Whether a path is absolute or climbs out of the folder that it starts in; links are not followed.

    >>> [leads_outside(name) for name in ("a/../b.png", "a/../../b.png", "/b.png", "C:b.png")]
    [False, True, True, True]
    """
    slashes = name.replace("\\", "/")
    if slashes.startswith("/") or PureWindowsPath(name).drive:
        return True
    return posixpath.normpath(slashes).split("/")[0] == ".."
