"""Names of the pictures that a run writes, counted on in a folder as A1111 does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...core.files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERED = re.compile(r"(\d+)-")


def find_next_number(folder: Path) -> int:
    """One more than the highest number that a file of the folder begins with; 0 in an empty one."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return max((int(found[1]) for name in names if (found := _NUMBERED.match(name))), default=-1) + 1


def write_numbered(folder: Path, seed: int, content: bytes, *, ending: str = "") -> Path:
    """Write ``00007-SEED.png`` behind what is there; nothing is replaced. Raises WriteFailed."""
    number = find_next_number(folder)
    while (path := folder / f"{number:05}-{seed}{ending}.png").exists():
        number += 1
    return atomic_write(path, content)
