"""The host's hooks during a job: its progress and notes also go to the job, and it can be cancelled."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ..core.hooks import HostHooks
from ..core.progress import Progress
from . import files

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from ..core.diagnostics.packages import Finding
    from ..core.errors import WeightsMissing
    from ..core.hooks import FileKind
    from .jobs import JobRecord


class JobProgress(Progress):
    """Progress of a job, shown by the host too."""

    def __init__(self, job: JobRecord, host: Progress) -> None:
        super().__init__()
        self._job, self._host = job, host

    def check(self) -> None:
        """Raise Cancelled when the job is to stop, and what the host raises."""
        self._job.check()
        super().check()
        self._host.check()

    def show(self, done: int, total: int, message: str) -> None:
        """Show the state."""
        self._job.move(done=done, total=total, message=message)
        self._host.show(done, total, message)

    def log(self, text: str) -> None:
        """Add a note to the job."""
        self._job.note(text)
        self._host.log(text)


class JobHooks(HostHooks):
    """A host's hooks for one job. Texts name files in the host's folders only."""

    confined = True

    def __init__(self, host: HostHooks, job: JobRecord) -> None:
        self._host, self._job = host, job
        self.one_token_per_file = host.one_token_per_file  # type: ignore[misc]

    def folders(self, kind: FileKind) -> list[Path]:
        """The host's."""
        return self._host.folders(kind)

    def find_file(self, kind: FileKind, name: str) -> Path:
        """A file of the host's lists. Raises BadParameter."""
        return files.find_file(self._host, kind, name)

    def place_file(self, kind: FileKind, name: str) -> Path:
        """Below the host's first folder of that kind. Raises BadParameter."""
        return files.place_file(self._host, kind, name)

    def device(self) -> str:
        """The host's."""
        return self._host.device()

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """Progress of one part of the job; the host's own bar belongs to what runs in its turn."""
        self._job.move(title=title, done=0, total=total, unit=unit, message="")
        bar = self._host.progress(title, total, unit) if self._job.heavy else nullcontext(Progress())
        with bar as progress:
            own = JobProgress(self._job, progress)
            own.check()
            yield own

    def adopt_networks(self) -> None:
        """As the host does."""
        self._host.adopt_networks()

    def list_again(self, kind: FileKind) -> None:
        """As the host does."""
        self._host.list_again(kind)

    def list_faults(self) -> Iterable[Finding]:
        """As the host does."""
        return self._host.list_faults()

    def explain_missing(self, error: WeightsMissing) -> WeightsMissing:
        """As the host does."""
        return self._host.explain_missing(error)

    def note(self, text: str) -> None:
        """Add a note to the job; the host shows it too."""
        self._job.note(text)
        self._host.note(text)
