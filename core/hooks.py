"""What a host gives to the core. A host subclasses `HostHooks` and hands it to whatever runs in it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from .progress import Progress
from .report_text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from .diagnostics.packages import Finding
    from .errors import WeightsMissing

FileKind = Literal["lora", "checkpoint", "vae", "embedding", "weights", "poses", "pictures", "model"]
"""Kinds of files that hosts keep in folders of their own, and that operations write."""

log = logging.getLogger("underdrawing")
_collected: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def is_collecting() -> bool:
    """Whether notes of this run are collected already, by a caller."""
    return _collected.get() is not None


@contextmanager
def collect_notes() -> Generator[list[str]]:
    """The list of notes that `HostHooks.note` gets in the block, each once; of nested blocks only the inner one's."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)


class HostHooks:
    """The hooks of a plain script; every host overrides what it does differently.

    one_token_per_file: whether this host looks embeddings up by the names of files, so that a file holds one token.
    confined: whether texts name files in this host's folders only, as its users may sit at other computers.
    """

    one_token_per_file = False
    confined = False

    def folders(self, kind: FileKind) -> list[Path]:
        """Folders in which this host keeps files of a kind, the one for new files first."""
        return []

    def find_file(self, kind: FileKind, name: str) -> Path:
        """A file that a text names: any path, or a name in the folders of its kind where the host is confined.

        Raises BadParameter.
        """
        from pathlib import Path

        return Path(name)

    def place_file(self, kind: FileKind, name: str) -> Path:
        """Where a new file goes that a text names: any path, or below a folder of the host. Raises BadParameter."""
        return self.find_file(kind, name)

    def device(self) -> str:
        """Device of networks: auto, cpu, cuda, cuda:1 or mps."""
        return "auto"

    def name_device(self, chosen: str) -> str:
        """A device of the host, by our names; the CPU, with a note, where our networks cannot run on it."""
        if chosen.partition(":")[0] in ("cpu", "cuda", "mps"):
            return chosen
        self.note(f"underdrawing does not run on {chosen}; its networks run on the CPU")
        return "cpu"

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """Show the progress of one run. total: units of work, 0 where it is not known; unit: what they are called."""
        yield Progress()

    def adopt_networks(self) -> None:
        """Let this host's memory management own the networks that are built from now on, if it has one."""

    def list_again(self, kind: FileKind) -> None:
        """Let this host's lists show new files of a kind."""

    def list_faults(self) -> Iterable[Finding]:
        """What of this host keeps ours from working, for `doctor`."""
        return ()

    def explain_missing(self, error: WeightsMissing) -> WeightsMissing:
        """Add to missing weights what the user of this host can do."""
        return error

    def note(self, text: str) -> None:
        """Report something the user should see at once: a fallback, a licence, what is left out."""
        log.warning("%s", escape_controls(text, keep="\n"))
        notes = _collected.get()
        if notes is not None and text not in notes:
            notes.append(text)

    def keep(self, data: dict[str, Any]) -> None:
        """Take what a run that is about to be stopped has finished, as the data of its report; hosts may show it."""
