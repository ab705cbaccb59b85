from __future__ import annotations

import sys
from pathlib import Path

import pytest

from underdrawing.core.regular_files import (
    FEW,
    NotAFile,
    check_regular_file,
    open_regular_file,
    read_regular_file,
    read_text_file,
    sync_paths,
)


def test_a_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with open_regular_file(path, "wb") as stream:
        stream.write(b"a\r\n")
    with open_regular_file(path, "ab") as stream:
        stream.write(b"\xc3\xa4\r")
    with open_regular_file(path, "r+b") as stream:
        stream.write(b"b")
    assert read_regular_file(path) == b"b\r\n\xc3\xa4\r"
    assert read_text_file(path) == "b\nä\n"
    check_regular_file(path)
    with open_regular_file(path, "wb"):
        pass
    assert read_regular_file(path) == b""


def test_a_link_to_a_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a")
    (tmp_path / "y").symlink_to(tmp_path / "x")
    assert read_regular_file(tmp_path / "y") == b"a"


@pytest.mark.parametrize("mode", ["rb", "r+b", "wb", "ab"])
def test_a_folder_is_named(tmp_path: Path, mode: str) -> None:
    with pytest.raises(NotAFile, match="is a folder, not a file"):
        open_regular_file(tmp_path, mode)  # type: ignore[arg-type]


def test_what_is_not_there_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular_file(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        open_regular_file(tmp_path / "x" / "y", "wb")
    with pytest.raises(ValueError, match="null"):
        open_regular_file("a\0b")


@pytest.mark.parametrize("number", [1, FEW + 1])
def test_files_and_folders_are_brought_to_disk_one_by_one_or_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    paths = [tmp_path / str(index) for index in range(number)]
    for path in paths:
        path.write_bytes(b"x")
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    sync_paths([tmp_path, *paths])
    assert len(synced) == (number + 1 if number < FEW or sys.platform != "linux" else 0)
    monkeypatch.setattr("sys.platform", "darwin")
    sync_paths(paths)
    assert len(synced) >= number
