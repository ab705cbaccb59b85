"""Adapters that a host keeps from one run to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.file_state import describe_files
from .files import list_read_files

if TYPE_CHECKING:
    from pathlib import Path

    from ..adapter import Adapter


class AdapterCache:
    """Reads an adapter once for as long as its files stay the same and every run asks for it."""

    def __init__(self) -> None:
        self._last: dict[tuple[Path, str], Adapter] = {}
        self._current: dict[tuple[Path, str], Adapter] = {}

    def read(self, path: Path) -> Adapter:
        """The adapter in a file or folder. Raises as `load_adapter`."""
        from .load import load_adapter

        key = path, describe_files(list_read_files(path))
        self._current[key] = self._current.get(key) or self._last.get(key) or load_adapter(path)
        return self._current[key]

    def forget_unused(self) -> None:
        """Forget what was not read since the last call."""
        self._last, self._current = self._current, {}
