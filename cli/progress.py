"""The command line as a host: progress bars on stderr, none when it is not a terminal, and notes beside them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from ..core.hooks import HostHooks
from ..core.progress import Progress
from ..core.report_text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Generator

    import rich.progress


class CommandLine(HostHooks):
    """Hooks of a terminal. finished: what a stopped run had finished, None where it said nothing of it."""

    def __init__(self) -> None:
        self.finished: dict[str, Any] | None = None

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """A bar with counts, the time left and, for bytes and pictures, the rate."""
        if not sys.stderr.isatty() or find_spec("rich") is None:  # hosts need not have it
            yield Lines()
            return
        from rich.console import Console
        from rich.progress import Progress as Bars

        with Bars(*_columns(unit), console=Console(stderr=True)) as bars:
            yield Bar(bars, bars.add_task(title, total=total or None, message=""))

    def note(self, text: str) -> None:
        """A line on stderr."""
        click.echo(escape_controls(text, keep="\n"), err=True)

    def keep(self, data: dict[str, Any]) -> None:
        """For the JSON of a stopped run."""
        self.finished = data


class Lines(Progress):
    """No bar, only what is logged."""

    def log(self, text: str) -> None:
        """A line on stderr."""
        click.echo(escape_controls(text, keep="\n"), err=True)


class Bar(Progress):
    """A bar of rich's."""

    def __init__(self, bars: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        super().__init__()
        self._bars, self._task = bars, task

    def show(self, done: int, total: int, message: str) -> None:
        """Move the bar."""
        self._bars.update(self._task, completed=done, total=total or None, message=escape_controls(message))

    def log(self, text: str) -> None:
        """A line above the bar."""
        self._bars.console.print(escape_controls(text, keep="\n"), markup=False, highlight=False)


def _columns(unit: str) -> list[Any]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:.2f} {unit}/s")

    name = TextColumn("{task.description}")
    if unit == "bytes":
        return [name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    rate = [Rate()] if unit in ("pictures", "frames") else []
    message = TextColumn("{task.fields[message]}", markup=False)
    return [name, BarColumn(), MofNCompleteColumn(), *rate, TimeRemainingColumn(), message]
