"""Processes that run shards, and die."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.dataset.engines.local import LocalEngine, describe_exit
from underdrawing.core.dataset.job import Job, ShardReport
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from collections.abc import Callable


def work(job: Job, shard: Shard) -> ShardReport:
    """Note each try in a file, then do what the shard's path says."""
    notes = Path(job.destination) / shard.name
    tries = len(notes.read_text()) if notes.exists() else 0
    notes.write_text("x" * (tries + 1))
    if shard.path == "die" or (shard.path == "die once" and not tries):
        os.kill(os.getpid(), signal.SIGKILL)
    if shard.path == "full":
        raise WriteFailed("the disk is full", where=shard.name, fix="free some space")
    if shard.path == "bug":
        raise ZeroDivisionError("oh")
    return ShardReport(name=shard.name, rows=1)


class Heard:
    """What an engine tells."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.failures: dict[str, str] = {}
        self.stops = 0
        self.then: Callable[[], None] = lambda: None

    def report(self, report: ShardReport) -> None:
        self.reports.append(report.name)
        self.then()

    def failed(self, shard: Shard, reason: str) -> None:
        self.failures[shard.name] = reason

    def tick(self) -> None:
        pass

    def stopped(self) -> None:
        self.stops += 1


def engine(folder: Path, ways: list[str], workers: int = 1) -> tuple[LocalEngine, Heard]:
    heard = Heard()
    shards = [Shard(name=f"{number}", path=way, kind="folder") for number, way in enumerate(ways)]
    job = Job(source="", destination=str(folder), annotators=())
    return LocalEngine(job, shards, work, workers, heard), heard


def test_a_process_that_dies_costs_its_shard_one_more_try_and_nothing_else(tmp_path: Path) -> None:
    run, heard = engine(tmp_path, ["", "die", "die once", ""], workers=2)
    run.run()
    assert sorted(heard.reports) == ["0", "2", "3"]
    assert list(heard.failures) == ["1"]
    assert "died 2 times (signal SIGKILL, as the system's memory killer sends it)" in heard.failures["1"]
    assert {name: (tmp_path / name).read_text() for name in "0123"} == {"0": "x", "1": "xx", "2": "xx", "3": "x"}


@pytest.mark.parametrize(("way", "error", "what"), [("full", WriteFailed, "disk is full"), ("bug", RuntimeError, "oh")])
def test_what_no_other_shard_would_survive_ends_the_run(
    tmp_path: Path, way: str, error: type[Exception], what: str
) -> None:
    run, heard = engine(tmp_path, ["", way, ""])
    with pytest.raises(error, match=what):
        run.run()
    assert heard.reports == ["0"]
    assert not (tmp_path / "2").exists()


def test_a_stop_finishes_the_shards_at_hand_only(tmp_path: Path) -> None:
    run, heard = engine(tmp_path, ["", "", "", ""])
    heard.then = run.stop
    run.run()
    assert heard.reports == ["0"]


def test_ctrl_c_stops_and_once_more_ends_at_once(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    run, heard = engine(tmp_path, ["", "", ""])
    heard.then = interrupt
    run.run()
    assert (heard.reports, heard.stops) == (["0"], 1)
    run, heard = engine(tmp_path, ["", ""])
    run.stop()
    heard.then = interrupt
    run.run()
    assert heard.reports == [], "nothing is begun after a stop"


def test_no_shards_are_no_error(tmp_path: Path) -> None:
    run, heard = engine(tmp_path, [])
    run.run()
    assert heard.reports == []


def test_exits_are_described() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-15) == "signal SIGTERM"
