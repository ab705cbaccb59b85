"""Hashes that are remembered."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from underdrawing.core.weights import hashes
from underdrawing.core.weights.hashes import HashMemory


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = HashMemory(tmp_path / "hashes.json").sha256(file)
    monkeypatch.setattr(hashes, "hash_file", None)
    assert HashMemory(tmp_path / "hashes.json").sha256(file) == first == hashlib.sha256(b"one").hexdigest()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no time of the entry's change")
def test_a_file_of_the_same_size_whose_time_was_set_back_is_hashed_again(tmp_path: Path) -> None:
    file, memory = tmp_path / "a", HashMemory(tmp_path / "hashes.json")
    file.write_bytes(b"one")
    state = file.stat()
    memory.sha256(file)
    while file.stat().st_ctime_ns == state.st_ctime_ns:
        file.write_bytes(b"two")
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert memory.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_notes_of_an_earlier_form_are_made_again(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    (tmp_path / "hashes.json").write_text(f'{{"{file.as_posix()}": [3, 1, "0"]}}')
    assert HashMemory(tmp_path / "hashes.json").sha256(file) == hashlib.sha256(b"one").hexdigest()
