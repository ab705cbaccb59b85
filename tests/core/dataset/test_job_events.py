"""What is shown and logged while shards run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from underdrawing.core.dataset.job import ShardReport
from underdrawing.core.dataset.job_events import LOG_EVERY, JobEvents, count_rows
from underdrawing.core.dataset.manifest import PARTS, ROWS, Manifest
from underdrawing.core.dataset.records import RowRecord, encode_record
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = [Shard(name=f"{n}", path="in", kind="folder", names=("a", "b"), keys=("a", "b")) for n in range(3)]
TARS = [Shard(name=f"{n}", path=f"{n}.tar", kind="webdataset") for n in range(4)]


class Shown(Progress):
    """Keeps what is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.last: tuple[int, int, str] = (0, 0, "")
        self.lines: list[str] = []

    def show(self, done: int, total: int, message: str) -> None:
        self.last = (done, total, message)

    def log(self, text: str) -> None:
        self.lines.append(text)


def begin(folder: Path, shards: list[Shard], *, log_json: bool = False) -> tuple[JobEvents, Shown, list[float]]:
    now, shown = [0.0], Shown()
    return JobEvents(shown, Manifest(folder), shards, log_json=log_json, clock=lambda: now[0]), shown, now


def write_records(folder: Path, shard: str, *refused: str) -> None:
    """Records as a worker that is at a shard has written them so far, and the half of another."""
    path = Manifest(folder).folder / PARTS / shard / ROWS / f"{shard}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [encode_record(RowRecord(key='"refused":', index=n, refused=why)) for n, why in enumerate(refused)]
    path.write_bytes(b"".join(records) + b'{"key"')


def test_rows_of_a_folder_are_counted_while_a_shard_is_at_hand(tmp_path: Path) -> None:
    events, shown, _ = begin(tmp_path, FOLDER)
    events.report(ShardReport(name="0", rows=2, written=1, refused=(("a", "picture", "cut off"),)))
    assert shown.last == (2, 6, "1 refused")
    write_records(tmp_path, "1", "")
    events.tick()
    assert shown.last == (3, 6, "1 refused")
    write_records(tmp_path, "1", "", "damaged")
    events.tick()
    assert shown.last == (4, 6, "2 refused")
    events.failed(FOLDER[2], "died")
    assert shown.last == (6, 6, "2 refused")
    assert shown.lines == ["shard 2 is given up: died"]


def test_of_tars_shards_are_counted_and_the_rate_is_that_of_their_rows(tmp_path: Path) -> None:
    events, shown, now = begin(tmp_path, TARS)
    now[0] = 10.0
    events.report(ShardReport(name="0", rows=30, written=30))
    write_records(tmp_path, "1", *["", "damaged"] * 5)
    events.tick()
    assert shown.last == (1, 4, "40 rows, 4.00 rows/s, 5 refused")


def test_lines_of_json_have_rate_time_left_and_refusals_and_long_shards_show_a_sign_of_life(tmp_path: Path) -> None:
    events, shown, now = begin(tmp_path, FOLDER, log_json=True)
    now[0] = 4.0
    events.report(ShardReport(name="0", rows=2, written=1, refused=(("a", "picture", "cut off"),), seconds=3.25))
    first = json.loads(shown.lines[0])
    assert first == {
        "event": "shard", "shard": "0", "rows": 2, "written": 1, "seconds": 3.25, "done": 1, "of": 3,
        "rows_done": 2, "rows_refused": 1, "rows_per_second": 0.5, "seconds_left": 8,
    }  # fmt: skip
    events.tick()
    assert len(shown.lines) == 1
    now[0] += LOG_EVERY
    write_records(tmp_path, "1", "")
    events.tick()
    events.tick()
    assert [json.loads(line)["event"] for line in shown.lines] == ["shard", "progress"]
    assert json.loads(shown.lines[1])["rows_done"] == 3
    events.stopped()
    assert json.loads(shown.lines[2])["event"] == "stopping"


def test_what_an_earlier_run_left_is_not_counted(tmp_path: Path) -> None:
    write_records(tmp_path, "1", "", "")
    events, shown, _ = begin(tmp_path, FOLDER)
    events.tick()
    assert shown.last[0] == 0


def test_rows_are_known_of_folders_only() -> None:
    assert (count_rows(FOLDER), count_rows(TARS), count_rows([*FOLDER, *TARS])) == (6, 0, 0)


def test_a_note_is_said_once_in_either_form(tmp_path: Path) -> None:
    events, shown, _ = begin(tmp_path / "text", TARS)
    events.note("workers wait")
    assert shown.lines == ["workers wait"]
    events, shown, _ = begin(tmp_path / "json", TARS, log_json=True)
    events.note("workers wait")
    (line,) = map(json.loads, shown.lines)
    assert (line["event"], line["text"]) == ("note", "workers wait")
