"""When the host has to run a node again although its inputs are the same: files that it reads or wrote have changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.errors import UnderdrawingError
from ..core.file_state import WrittenFiles, describe_files
from . import host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WRITTEN = WrittenFiles()
"""What the nodes of this process wrote."""
ALWAYS = float("nan")
"""Answer of IS_CHANGED that equals no earlier one."""


def files_state(find: Callable[[], Iterable[Path]], step: str = "") -> str | float:
    """Answer of IS_CHANGED: the files that a node reads, and whether what its step wrote is still there.

    A node whose files cannot be named runs, and says why.
    """
    try:
        losses = f"{WRITTEN.count_losses(step)}\n" if step else ""
        return losses + describe_files(find())
    except (UnderdrawingError, OSError, ValueError):
        return ALWAYS


def listed_file(kind: str, name: Any) -> list[Path]:
    """Files read for an entry of a combo of that kind; nothing for an input that is linked."""
    if not isinstance(name, str):
        return []
    path = Path(host.paths().get_full_path(host.FOLDERS[kind], name) or name)
    if kind != "lora":
        return [path]
    from ..adapters.reading.files import list_read_files

    return list_read_files(path)


class WritingNode:
    """Base of nodes that write below the output folder: they run again when a file of theirs is gone."""

    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION, OUTPUT_NODE = "save", True

    @classmethod
    def IS_CHANGED(cls, filename_prefix: str = "", unique_id: str = "", **_: Any) -> str | float:
        """Change when a file that was written is gone."""
        return files_state(list, f"{unique_id} {filename_prefix}")

    def write(self, prefix: str, node: str, suffix: str, contents: Sequence[bytes]) -> list[dict[str, str]]:
        """Write new files; returns what the browser is given to show them. node: its unique id."""
        from ..core.files import atomic_write

        files = list(host.new_files(prefix, suffix, len(contents)))
        for (path, _), content in zip(files, contents, strict=True):
            atomic_write(path, content)
        WRITTEN.add(f"{node} {prefix}", [path for path, _ in files])
        return [entry for _, entry in files]
