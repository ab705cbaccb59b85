"""What an engine tells on the way, counted and shown."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..progress import Progress
    from .job import ShardReport
    from .rows import Shard


class JobEvents:
    """Keeps count of what an engine tells, and shows it. log_json: each event is a line of JSON."""

    def __init__(
        self, progress: Progress, shards: Sequence[Shard], note: Callable[[str], None], *, log_json: bool
    ) -> None:
        self.progress, self.note, self.log_json = progress, note, log_json
        self.total, self.done = len(shards), 0
        self.reports: dict[str, ShardReport] = {}
        self.failures: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self.is_stopped = False

    def report(self, report: ShardReport) -> None:
        """Count a shard."""
        self.done += 1
        self.reports[report.name] = report
        self.refused.update(kind for _, kind, _ in report.refused)
        if self.log_json:
            seconds = round(report.seconds, 3)
            self._log(event="shard", shard=report.name, rows=report.rows, written=report.written, seconds=seconds)
        self.progress(self.done, self.total, f"{self.refused.total()} refused")

    def failed(self, shard: Shard, reason: str) -> None:
        """Keep a shard's reason."""
        self.done += 1
        self.failures[shard.name] = reason
        if self.log_json:
            self._log(event="failed", shard=shard.name, reason=reason)
        else:
            self.note(f"shard {shard.name} is given up: {reason}")
        self.progress(self.done, self.total, f"{self.refused.total()} refused")

    def stopped(self) -> None:
        """Say that the shards at hand are finished."""
        self.is_stopped = True
        if self.log_json:
            self._log(event="stopping")
        else:
            self.note("stopping: the shards at hand are finished; Ctrl-C again ends at once")

    def _log(self, **event: Any) -> None:
        self.note(json.dumps({**event, "done": self.done, "of": self.total}))
