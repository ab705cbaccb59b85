"""What files are like now, in one text: hosts run a step again when it differs from the last one.

>>> describe_files([])
''
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def describe_files(paths: Iterable[Path]) -> str:
    """Name, size and time of change of every file; one that is not there counts as well."""
    return "\n".join(f"{path} {_describe(path)}" for path in paths)


def _describe(path: Path) -> str:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return "is not there"
    return f"{state.st_size} {state.st_mtime_ns}"


class WrittenFiles:
    """Files that steps of a host wrote, so that a step is run again when what it wrote is gone.

    A step has a name, such as that of what it writes. The count of losses only rises: a step that ran again after a
    loss is as unchanged as it was before.
    """

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = {}
        self._losses: dict[str, int] = {}

    def add(self, step: str, paths: Iterable[Path]) -> None:
        """Remember what a step wrote last."""
        self._files[step] = list(paths)

    def count_losses(self, step: str) -> int:
        """How many times a file of this step was found gone."""
        if any(not path.exists() for path in self._files.get(step, ())):
            del self._files[step]
            self._losses[step] = self._losses.get(step, 0) + 1
        return self._losses.get(step, 0)
