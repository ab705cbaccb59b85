"""Names of the pictures that a run writes, counted on in a folder as A1111 does it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...core.errors import WriteFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHOWN = 4
"""Names of pictures in a note."""
_NUMBERED = re.compile(r"(\d+)-")


def check_output(folder: Path) -> None:
    """Raise WriteFailed, before anything is computed, for a folder that is none or in which nothing can be written."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not there.is_dir():
        raise WriteFailed("is a file, and pictures go into a folder", where=str(there), fix="name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise WriteFailed("cannot be written to", where=str(there), fix="check its permissions, or name another folder")


def find_next_number(folder: Path) -> int:
    """One more than the highest number that a file of the folder begins with; 0 in an empty one."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return max((int(found[1]) for name in names if (found := _NUMBERED.match(name))), default=-1) + 1


def number_picture(folder: Path, seed: int) -> Path:
    """``00007-SEED.png`` behind what is in a folder, a name that nothing has."""
    number = find_next_number(folder)
    while (path := folder / f"{number:05}-{seed}.png").exists():
        number += 1
    return path


def describe_kept(paths: Sequence[Path]) -> str:
    """Names of pictures that were written, the first and the last of many; empty for none."""
    names = [path.name for path in paths]
    if len(names) > SHOWN:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)
