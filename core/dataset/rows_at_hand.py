"""How far workers are with shards that they have not committed, wherever the workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..regular_files import open_regular_file
from .manifest import PARTS, ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from .manifest import Manifest

REFUSED = b'"refused":'
"""What the line of a row has that is refused."""


class RowsAtHand:
    """Counts the records that workers write, line by line; what lay there before this run is not counted."""

    def __init__(self, manifest: Manifest) -> None:
        self._parts = manifest.folder / PARTS
        self._old = {self._identify(path) for path in self._find_files()}
        self._read: dict[tuple[str, int], tuple[int, int, int]] = {}

    def count(self) -> tuple[int, int]:
        """Rows, and how many of them are refused."""
        found: dict[tuple[str, int], tuple[int, int, int]] = {}
        for path in self._find_files():
            identity = self._identify(path)
            if identity not in self._old:
                found[identity] = _read_on(path, *self._read.get(identity, (0, 0, 0)))
        self._read = found
        return sum(rows for _, rows, _ in found.values()), sum(refused for _, _, refused in found.values())

    def _find_files(self) -> list[Path]:
        return list(self._parts.glob(f"*/{ROWS}/*.jsonl"))

    def _identify(self, path: Path) -> tuple[str, int]:
        try:
            return path.name, path.stat().st_ino
        except OSError:
            return path.name, 0


def _read_on(path: Path, offset: int, rows: int, refused: int) -> tuple[int, int, int]:
    """Count the lines behind an offset. A file that has gone is committed, and told as a shard."""
    try:
        with open_regular_file(path) as stream:
            stream.seek(offset)
            content = stream.read()
    except OSError:
        return offset, 0, 0
    whole = content[: content.rfind(b"\n") + 1]
    return offset + len(whole), rows + whole.count(b"\n"), refused + whole.count(REFUSED)
