"""The record of a data set, and what it keeps out and cleans up."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.support.datasets import plan_job

from underdrawing.core.dataset.job import ShardReport
from underdrawing.core.dataset.manifest import PARTS, Manifest
from underdrawing.core.errors import BadParameter

if TYPE_CHECKING:
    from pathlib import Path

HOLD = "import sys, fcntl, os; fcntl.flock(os.open(sys.argv[1], 0), 2); print(flush=True); sys.stdin.read()"


@pytest.mark.skipif(sys.platform == "win32", reason="locks of folders are POSIX's; run it on Linux or macOS")
def test_what_killed_processes_left_is_removed_and_what_a_live_one_is_at_is_not(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "out")
    parts = manifest.folder / PARTS
    for name in ("dead", "live"):
        (parts / name / "files").mkdir(parents=True)
    words = [sys.executable, "-c", HOLD, str(parts / "live")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as live:
        assert live.stdout is not None
        live.stdout.readline()
        with manifest.hold(plan_job(tmp_path, tmp_path / "out")):
            assert [part.name for part in parts.iterdir()] == ["live"]
            (parts / "terminated").mkdir()
        assert [part.name for part in parts.iterdir()] == ["live"]


def test_settings_are_recorded_once_and_compared(tmp_path: Path) -> None:
    manifest, job = Manifest(tmp_path), plan_job(tmp_path, tmp_path)
    assert not manifest.check_settings(job)
    with manifest.hold(job):
        assert manifest.check_settings(job)
    with pytest.raises(BadParameter, match="seed 0 is now 1"):
        manifest.check_settings(plan_job(tmp_path, tmp_path, seed=1))


def test_a_folder_with_files_of_others_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "0.canny.png"
    own.write_bytes(b"mine")
    with (
        pytest.raises(BadParameter, match="files in the folder already"),
        Manifest(tmp_path).hold(plan_job(tmp_path, tmp_path)),
    ):
        pass
    assert sorted(tmp_path.iterdir()) == [own]


def test_a_run_that_ended_before_its_first_map_claims_nothing(tmp_path: Path) -> None:
    job, manifest = plan_job(tmp_path, tmp_path), Manifest(tmp_path / "out")
    with manifest.hold(job):
        pass
    other = msgspec.structs.replace(job, seed=1)
    with manifest.hold(other):
        assert manifest.check_settings(other)
    (tmp_path / "out" / "0.canny.png").write_bytes(b"a map")
    with pytest.raises(BadParameter, match="seed 1 is now 0"), manifest.hold(job):
        pass


def test_a_run_that_wrote_nothing_claims_nothing(tmp_path: Path) -> None:
    manifest, job = Manifest(tmp_path / "out"), plan_job(tmp_path, tmp_path / "out")
    with manifest.hold(job):
        manifest.commit(ShardReport(name="a", rows=1))
    with manifest.hold(job):
        assert list(manifest.list_reports()) == ["a"]
    with manifest.hold(msgspec.structs.replace(job, image="png")):
        assert not manifest.list_reports()
        manifest.commit(ShardReport(name="a", rows=1, written=1))
    with pytest.raises(BadParameter, match="image"), manifest.hold(job):
        pass
