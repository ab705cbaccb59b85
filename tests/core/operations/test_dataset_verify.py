"""Verification and statistics from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.support.command_line import quiet, run  # noqa: F401 - fixtures
from tests.support.datasets import plan_job, run_here, write_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    run_here(plan_job(write_folder(tmp_path / "in"), tmp_path / "out"))
    return tmp_path / "out"


def test_the_exit_status_says_whether_it_is_whole(run: Run, dataset: Path) -> None:
    done = run("dataset", "verify", dataset)
    assert (done.code, "the data set is whole" in done.out) == (0, True)
    (dataset / "p1.canny.png").unlink()
    done = run("dataset", "verify", dataset, "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["whole"] is False
    assert {"shard": "00000", "row": "p1", "what": "has no map of canny"}.items() <= found["problems"][1].items()
    assert run("dataset", "verify", dataset, "--quick").code == 1


def test_what_is_no_data_set_is_named(run: Run, tmp_path: Path) -> None:
    for command in ("verify", "stats"):
        done = run("dataset", command, tmp_path)
        assert done.code != 0
        assert "this is no data set that" in done.err
        assert run("dataset", command, tmp_path / "absent").code != 0


def test_statistics_are_written_as_json_and_plots(run: Run, dataset: Path, tmp_path: Path) -> None:
    done = run("dataset", "stats", dataset, "-o", tmp_path / "stats")
    assert done.code == 0
    assert "7 rows: 5 with maps, 2 refused" in done.out
    assert "low_threshold: " in done.out
    names = {path.name for path in (tmp_path / "stats").iterdir()}
    assert {"stats.json", "stats.png", "size.png", "refused.png", "canny.edges.png"} <= names
    assert "canny.param.low_threshold.png" in names
    for name in names - {"stats.json"}:
        Image.open(tmp_path / "stats" / name).verify()
    assert json.loads((tmp_path / "stats" / "stats.json").read_text())["rows"] == 7


def test_a_data_set_that_is_not_finished_says_so(run: Run, dataset: Path) -> None:
    (dataset / "_underdrawing" / "shards" / "00002.json").unlink()
    done = run("dataset", "stats", dataset)
    assert "1 shards are not annotated yet" in done.err
    assert "6 rows" in done.out
