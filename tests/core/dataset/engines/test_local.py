"""Processes that run shards, and die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.dataset_engines import HaltClock, Heard, plan_shards, work

from underdrawing.core.dataset.engines.local import LocalEngine, describe_exit
from underdrawing.core.dataset.engines.pool import Worker
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.errors import WriteFailed


def engine(folder: Path, ways: list[str], workers: int = 1, **timing: Any) -> tuple[LocalEngine, Heard]:
    heard = Heard()
    return LocalEngine(*plan_shards(folder, ways), work, workers, heard, **timing), heard


def test_a_process_that_dies_costs_its_shard_one_more_try_and_nothing_else(tmp_path: Path) -> None:
    run, heard = engine(tmp_path, ["", "die", "die once", ""], workers=2)
    run.run()
    assert sorted(heard.reports) == ["0", "2", "3"]
    assert list(heard.failures) == ["1"]
    cause = "its process died (signal SIGKILL, as the system's memory killer sends it), and was tried 2 times"
    assert heard.failures["1"] == cause
    assert {name: (tmp_path / name).read_text() for name in "0123"} == {"0": "x", "1": "xx", "2": "xx", "3": "x"}


def test_a_worker_that_halts_is_replaced_and_its_shard_begun_once_more(tmp_path: Path) -> None:
    clock = HaltClock(tmp_path)
    run, heard = engine(tmp_path, ["halt", "halt once", "", ""], workers=2, clock=clock)
    clock.run = run
    run.run()
    assert sorted(heard.reports) == ["1", "2", "3"]
    assert heard.failures == {"0": "it made no progress for 900 seconds, and was tried 2 times"}
    assert {name: (tmp_path / name).read_text() for name in "0123"} == {"0": "xx", "1": "xx", "2": "x", "3": "x"}


def test_a_worker_that_writes_rows_or_fetches_its_input_is_not_stalled(tmp_path: Path) -> None:
    run, heard = engine(tmp_path, ["", ""])
    ended: list[Worker] = []
    run.end = lambda worker: ended.append(worker)
    worker = Worker(None, None, shard=Shard(name="0", path="", kind="webdataset"))
    run.workers = [worker]
    for number, name in enumerate(("input/0.tar", "input/0.tar", "rows/0.jsonl", "rows/0.jsonl")):
        path = tmp_path / ".underdrawing" / "parts" / "0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write("{}\n")
        run.watch(1000.0 * number)
    assert ended == []
    run.watch(4000.0)
    assert (ended, run.workers, heard.failures) == ([worker], [], {}), "the shard has another try"


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
