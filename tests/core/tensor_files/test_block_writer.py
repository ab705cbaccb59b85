"""Files written in blocks: all bytes in their places and hashed, past the cache and through it, and all failures."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.tensor_files import block_writer
from underdrawing.core.tensor_files.block_writer import BlockWriter

SMALL = 1 << 14


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_writer, "BLOCK", SMALL)


def write(path: Path, pieces: list[bytes], *, hashed: bool = True) -> str:
    with path.open("w+b") as stream, BlockWriter(stream, hashed=hashed) as writer:
        for number, piece in enumerate(pieces):
            if number % 2:
                writer.write(piece)
            else:
                writer.take(len(piece))[:] = piece
        return writer.finish()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 300), st.integers(SMALL - 5000, 3 * SMALL)), max_size=8))
def test_pieces_of_any_size_are_written_in_order(sizes: list[int]) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        assert write(path, pieces) == hashlib.sha256(b"".join(pieces)).hexdigest()
        assert path.read_bytes() == b"".join(pieces)


def test_a_hash_that_is_not_wanted_is_not_computed(tmp_path: Path) -> None:
    assert write(tmp_path / "file", [b"abc"], hashed=False) == ""


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="only Linux has files that bypass its cache")
@pytest.mark.parametrize("place", ["opening", "first", "later"])
def test_a_file_system_that_refuses_direct_writing_gets_plain_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    import fcntl

    real, calls = os.write, list[int]()

    def refuse(number: int, content: bytes) -> int:
        calls.append(len(content))
        direct = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_DIRECT
        if direct and (place == "first" or len(calls) > 1):
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(number, content)

    if place == "opening":
        monkeypatch.setattr(block_writer, "_DIRECT", 0)
    monkeypatch.setattr(os, "write", refuse)
    content = os.urandom(5 * SMALL + 77)
    assert write(tmp_path / "file", [content]) == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "file").read_bytes() == content


def test_a_failure_of_the_second_thread_reaches_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "file", [bytes(4 * SMALL)])


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, content = os.write, os.urandom(3 * SMALL + 5)
    monkeypatch.setattr(os, "write", lambda number, view: real(number, view[:1000]))  # type: ignore[reportUnknownLambdaType]
    assert write(tmp_path / "file", [content]) == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="only Linux has files that bypass its cache")
def test_the_file_is_an_ordinary_one_afterwards(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "file").open("w+b") as stream:
        with BlockWriter(stream) as writer:
            writer.write(bytes(SMALL))
            writer.finish()
        assert not fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_DIRECT
        stream.write(b"odd")
    assert (tmp_path / "file").stat().st_size == SMALL + 3
