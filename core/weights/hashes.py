"""Hashes of files, remembered so that each file is read once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import WriteFailed
from ..files import atomic_write, hash_file
from ..regular_files import read_text_file

if TYPE_CHECKING:
    from pathlib import Path

    _Known = tuple[int, int, int, str]


class HashMemory:
    """Remembers the sha256 of files by path, size and the times of their last changes, so that each is hashed once.

    The second time is that of the file's entry, which no program can set back; on Windows it is that of its creation.

    path: a JSON file; one that is missing, damaged or cannot be written only costs the time of hashing again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, _Known] | None = None

    def sha256(self, path: Path) -> str:
        """Hash of a file's bytes. Raises OSError."""
        status = path.stat()
        key, stamp = str(path.resolve()), (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._read().get(key)
        if known is not None and known[:3] == stamp:
            return known[3]
        digest = hash_file(path)
        self._write(key, (*stamp, digest))
        return digest

    def _read(self) -> dict[str, _Known]:
        if self._known is None:
            try:
                raw = json.loads(read_text_file(self.path))
                self._known = {str(key): (int(a), int(b), int(c), str(d)) for key, (a, b, c, d) in raw.items()}
            except (OSError, ValueError, TypeError, AttributeError):
                self._known = {}
        return self._known

    def _write(self, key: str, value: _Known) -> None:
        self._known = None  # another process may have added to it
        known = self._read()
        known[key] = value
        try:
            atomic_write(self.path, json.dumps(known, indent=0).encode())
        except WriteFailed:
            return  # a read-only cache: the hash is simply made again next time
