"""What an engine tells on the way, counted and shown."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from .rows_at_hand import RowsAtHand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..progress import Progress
    from .job import ShardReport
    from .manifest import Manifest
    from .rows import Shard

LOG_EVERY = 30.0
"""Seconds between lines of JSON about a shard that takes longer."""


class JobEvents:
    """Keeps count of what an engine tells, and shows it. log_json: each event is a line of JSON.

    Units are rows where it is known how many there are (pictures of folders), else shards.
    """

    def __init__(
        self,
        progress: Progress,
        manifest: Manifest,
        shards: Sequence[Shard],
        *,
        log_json: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress, self.log_json, self._clock = progress, log_json, clock
        self.total, self.done = len(shards), 0
        self.total_rows = count_rows(shards)
        self.reports: dict[str, ShardReport] = {}
        self.failures: dict[str, str] = {}
        self.is_stopped = False
        self._at_hand, self._began = RowsAtHand(manifest), clock()
        self._rows = self._refused = self._given_up = 0
        self._logged = self._began

    def report(self, report: ShardReport) -> None:
        """Count a shard."""
        self.done += 1
        self.reports[report.name] = report
        self._rows += report.rows
        self._refused += len(report.refused)
        seconds = round(report.seconds, 3)
        self._tell(event="shard", shard=report.name, rows=report.rows, written=report.written, seconds=seconds)

    def failed(self, shard: Shard, reason: str) -> None:
        """Keep a shard's reason."""
        self.done += 1
        self._given_up += len(shard.names)
        self.failures[shard.name] = reason
        if not self.log_json:
            self.progress.log(f"shard {shard.name} is given up: {reason}")
        self._tell(event="failed", shard=shard.name, reason=reason)

    def stopped(self) -> None:
        """Say that the shards at hand are finished."""
        self.is_stopped = True
        if not self.log_json:
            self.progress.log("stopping: the shards at hand are finished; Ctrl-C again ends at once")
        self._tell(event="stopping")

    def note(self, text: str) -> None:
        """Say what the user should know."""
        if not self.log_json:
            self.progress.log(text)
        self._tell(event="note", text=text)

    def tick(self) -> None:
        """Show the rows of shards at hand, now and then."""
        if self.log_json and self._clock() - self._logged >= LOG_EVERY:
            self._tell(event="progress")
        else:
            self._show(*self._count())

    def _count(self) -> tuple[int, int]:
        rows, refused = self._at_hand.count()
        return self._rows + rows, self._refused + refused

    def _tell(self, **event: Any) -> None:
        rows, refused = self._count()
        if self.log_json:
            self._logged = self._clock()
            rate, left = self._find_speed(rows)
            counts = {"done": self.done, "of": self.total, "rows_done": rows, "rows_refused": refused}
            times = {"rows_per_second": round(rate, 3), "seconds_left": None if left is None else round(left)}
            self.progress.log(json.dumps({**event, **counts, **times}))
        self._show(rows, refused)

    def _show(self, rows: int, refused: int) -> None:
        if self.total_rows:
            self.progress(min(rows + self._given_up, self.total_rows), self.total_rows, f"{refused} refused")
        else:
            rate, _ = self._find_speed(rows)
            self.progress(self.done, self.total, f"{rows} rows, {rate:.2f} rows/s, {refused} refused")

    def _find_speed(self, rows: int) -> tuple[float, float | None]:
        """Rows per second of this run, and the seconds that are left; None before anything is done."""
        passed = self._clock() - self._began
        done, total = (rows + self._given_up, self.total_rows) if self.total_rows else (self.done, self.total)
        return rows / passed if passed else 0.0, passed / done * max(0, total - done) if done else None


def count_rows(shards: Sequence[Shard]) -> int:
    """Rows of shards; 0 where files have to be read to know."""
    return sum(len(shard.names) for shard in shards) if all(shard.names for shard in shards) else 0
