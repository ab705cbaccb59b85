"""A weights file that changed: noticed at once by size or time, and by `weights verify` in any case."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.support.toy_hub import record

from underdrawing.core.weights.store import Store

DATA = bytes(range(256)) * 40
WEIGHT = record(DATA)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("UNDERDRAWING_WEIGHTS", "UNDERDRAWING_HOSTS", "AUX_ANNOTATOR_CKPTS_PATH", "UNDERDRAWING_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(folder))
    (folder / WEIGHT.file).write_bytes(DATA)
    return folder / WEIGHT.file


def test_a_change_with_size_and_time_restored_is_found_by_verify(place: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.require(WEIGHT) == place
    status = place.stat()
    place.write_bytes(b"X" + DATA[1:])
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    verdict = Store(tmp_path / "cache").verify(WEIGHT)
    assert not verdict.ok
    assert "has the sha256" in verdict.reason
    noticed = Store(tmp_path / "cache").find(WEIGHT) is None
    assert noticed == (sys.platform != "win32"), "docs/weights.md says so: Windows keeps no time of a file's entry"


@pytest.mark.parametrize("change", ["size", "time"])
def test_any_other_change_is_noticed_when_it_is_needed(place: Path, tmp_path: Path, change: str) -> None:
    assert Store(tmp_path / "cache").find(WEIGHT) == place
    status = place.stat()
    place.write_bytes(b"X" + DATA[1:] + (b"X" if change == "size" else b""))
    if change == "size":
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert Store(tmp_path / "cache").find(WEIGHT) is None
