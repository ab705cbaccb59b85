"""What tests of engines share: shards whose paths say what happens to them, who hears of it, and a clock."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from underdrawing.core.dataset.job import Job, ShardReport
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from underdrawing.core.dataset.engines.pool import Pool


def count_tries(folder: Path, name: str) -> int:
    """How often a shard was begun."""
    notes = folder / name
    return len(notes.read_text()) if notes.exists() else 0


def work(job: Job, shard: Shard) -> ShardReport:
    """Note each try in a file, then do what the shard's path says."""
    tries = count_tries(Path(job.destination), shard.name)
    (Path(job.destination) / shard.name).write_text("x" * (tries + 1))
    what, _, once = shard.path.partition(" ")
    if what == "die" and not (once and tries):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "halt" and not (once and tries):
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "full":
        raise WriteFailed("the disk is full", where=shard.name, fix="free some space")
    if what == "bug":
        raise ZeroDivisionError("oh")
    return ShardReport(name=shard.name, rows=1)


def plan_shards(folder: Path, ways: list[str]) -> tuple[Job, list[Shard]]:
    """A job of shards that go these ways."""
    shards = [Shard(name=f"{number}", path=way, kind="folder") for number, way in enumerate(ways)]
    return Job(source="", destination=str(folder), annotators=()), shards


class Heard:
    """What an engine tells."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.failures: dict[str, str] = {}
        self.notes: list[str] = []
        self.stops = 0
        self.then: Callable[[], None] = lambda: None

    def report(self, report: ShardReport) -> None:
        self.reports.append(report.name)
        self.then()

    def failed(self, shard: Shard, reason: str) -> None:
        self.failures[shard.name] = reason

    def note(self, text: str) -> None:
        self.notes.append(text)

    def tick(self) -> None: ...

    def stopped(self) -> None:
        self.stops += 1


class HaltClock:
    """A clock that stands still; goes on by 1000 seconds when all workers at a shard have halted and none starts."""

    def __init__(self, folder: Path) -> None:
        self.run: Pool | None = None
        self._folder, self._now = folder, 0.0
        self._seen: dict[str, int] = {}

    def __call__(self) -> float:
        workers = self.run.workers if self.run else []
        busy = [worker.shard for worker in workers if worker.shard is not None]
        if busy and all(worker.is_up for worker in workers) and all(map(self._is_halted, busy)):
            self._now += 1000
            self._seen |= {shard.name: count_tries(self._folder, shard.name) for shard in busy}
        return self._now

    def _is_halted(self, shard: Shard) -> bool:
        seen = self._seen.get(shard.name, 0)
        halts = shard.path == "halt" or (shard.path == "halt once" and not seen)
        return halts and count_tries(self._folder, shard.name) > seen
