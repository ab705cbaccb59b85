"""Locks of folders, by two handles: flock tells them apart within a process, too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from underdrawing.core.batch.folder_lock import hold_folder, lock_folder
from underdrawing.core.errors import WriteFailed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sign", ["", "process"])
def test_a_second_run_is_told_at_once_who_is_there(tmp_path: Path, sign: str) -> None:
    who = f"process {os.getpid()}" if sign else "another run"
    with hold_folder(tmp_path, sign):
        assert [path.name for path in tmp_path.iterdir()] == ([sign] if sign else [])
        with pytest.raises(WriteFailed, match=f"{who} is writing here.*wait until"), hold_folder(tmp_path, sign):
            pass
        assert len([*tmp_path.iterdir()]) == bool(sign)
    assert not [*tmp_path.iterdir()]
    with hold_folder(tmp_path, sign):
        pass


@pytest.mark.parametrize("content", [b"", b"12x", b"\xff\xfe", b"7\n7"])
def test_a_sign_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    with hold_folder(tmp_path, "process"):
        (tmp_path / "process").write_bytes(content)
        with pytest.raises(WriteFailed, match="another run is writing here"), hold_folder(tmp_path, "process"):
            pass


def test_what_a_killed_process_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "process").write_text("1\n")
    with hold_folder(tmp_path, "process"):
        assert (tmp_path / "process").read_text() == f"{os.getpid()}\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be written to by root")
def test_a_folder_that_cannot_be_written_to_is_held_without_a_sign(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with hold_folder(tmp_path, "process"):
        assert not [*tmp_path.iterdir()]
    tmp_path.chmod(0o700)


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), lock_folder(tmp_path):
            raise KeyError
