"""Atomic writes: the destination is always the old file or the new one."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from underdrawing.core import files
from underdrawing.core.errors import WriteFailed
from underdrawing.core.files import atomic_stream, atomic_write, hash_file, make_process_tag

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = b"old" * 1000, b"new!" * 1000


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "result.bin"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def alone(path: Path) -> bool:
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_writes_and_makes_folders(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "a" / "b" / "c.bin", NEW)
    assert path.read_bytes() == NEW
    assert alone(path)
    assert hash_file(path) == hashlib.sha256(NEW).hexdigest()


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    places = [tmp_path / "folder", *([tmp_path / "pipe"] if hasattr(os, "mkfifo") else [])]
    places[0].mkdir()
    if len(places) > 1:
        os.mkfifo(places[1])
        (tmp_path / "link").symlink_to("pipe")
        places.append(tmp_path / "link")
    for place in places:
        with pytest.raises(WriteFailed, match="this is a folder, device or pipe"):
            atomic_write(place, NEW)
    assert set(tmp_path.iterdir()) == set(places)
    assert not any(place.is_file() for place in places)


def test_names_of_any_length_and_script(tmp_path: Path) -> None:
    for name in ("x" * 250, "ä语 [1]*.png" if sys.platform != "win32" else "ä语.png", ".hidden"):
        assert atomic_write(tmp_path / name, NEW).read_bytes() == NEW
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_leaves_the_old_file_and_nothing_else(target: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with atomic_stream(target) as stream:
            stream.write(NEW)
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_bytes() == OLD
    assert alone(target)


@pytest.mark.parametrize("free", [0.0, 0.01, 0.5, 0.99])
def test_a_disk_too_small_is_told_before_anything_is_written(
    target: Path, monkeypatch: pytest.MonkeyPatch, free: float
) -> None:
    left = int(len(NEW) * free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, left))  # type: ignore[attr-defined]
    with pytest.raises(WriteFailed, match=f"{len(NEW)} bytes needed, {left} bytes free"):
        atomic_write(target, NEW)
    assert target.read_bytes() == OLD
    assert alone(target)


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_disk_that_fills_up_while_writing(target: Path, share: float) -> None:
    limit = int(len(NEW) * share)
    done = run(
        f"""
        import resource, sys
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            atomic_write(sys.argv[1], b"new!" * 1000)
        except WriteFailed as error:
            sys.exit(str(error))
        """,
        target,
    )
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert "FAT: 4 GiB" in done.stderr
    assert str(target) in done.stderr
    assert target.read_bytes() == OLD
    assert alone(target)


def run(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    head = "from underdrawing.core.files import *\nfrom underdrawing.core.errors import WriteFailed\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, words)]
    return subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT / ".dev")}, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_kill_at_any_moment_leaves_the_old_or_the_new_file(target: Path) -> None:
    head = "import sys\nfrom underdrawing.core.files import atomic_write\nprint(flush=True)\n"
    body = "while True:\n    for n in range(256):\n        atomic_write(sys.argv[1], bytes([n]) * 300_000)\n"
    chance = random.Random(3)
    for _ in range(20):
        command = [sys.executable, "-c", head + body, str(target)]
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / ".dev")}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        data = target.read_bytes()
        assert data == OLD or (len(data) == 300_000 and len(set(data)) == 1)
        leavings = [p for p in target.parent.iterdir() if p != target]
        assert len(leavings) <= 1
        assert all(p.name.startswith(".ud-") and p.name.endswith(".part") for p in leavings)
    atomic_write(target, NEW)
    assert alone(target)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are told apart by age there")
def test_only_leavings_of_dead_processes_for_this_file_are_swept(target: Path) -> None:
    folder, prefix = target.parent, files._make_prefix(target)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = f"{files._hash_host()}-{ended.pid}-00000000"
    kept = [
        folder / f"{prefix}{make_process_tag()}.part",
        folder / f"{prefix}00000000-{ended.pid}-00000000.part",
        folder / f"{files._make_prefix(folder / 'other.bin')}{dead}.part",
        folder / f"{prefix}nonsense.part",
        folder / "foreign.part",
    ]
    gone = folder / f"{prefix}{dead}.part"
    for path in (*kept, gone):
        path.write_bytes(b"x")
    atomic_write(target, NEW)
    assert not gone.exists()
    assert all(path.exists() for path in kept)


def refuse(times: int, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make renaming fail as on Windows while a program holds the file open."""
    tried: list[Path] = []
    real = Path.replace

    def replace(self: Path, other: Path) -> Path:
        tried.append(self)
        if len(tried) <= times:
            raise PermissionError(13, "in use")
        return real(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files, "RENAME_DELAYS", (0.0,) * 3)
    return tried


def test_a_rename_is_tried_again(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = refuse(3, monkeypatch)
    atomic_write(target, NEW)
    assert len(tried) == 4
    assert target.read_bytes() == NEW
    assert alone(target)


def test_a_rename_that_never_works_keeps_the_part_and_says_where(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = refuse(99, monkeypatch)
    with pytest.raises(WriteFailed, match="held open") as caught:
        atomic_write(target, NEW)
    assert len(tried) == 4
    assert str(tried[0]) in str(caught.value)
    assert tried[0].read_bytes() == NEW
    assert target.read_bytes() == OLD


def test_a_folder_in_the_way_or_above_a_file(target: Path) -> None:
    (target.parent / "taken").mkdir()
    for path in (target.parent / "taken", target / "below.bin"):
        with pytest.raises(WriteFailed, match="cannot be written"):
            atomic_write(path, NEW)
    assert {p.name for p in target.parent.iterdir()} == {"taken", target.name}
    assert target.read_bytes() == OLD


def test_a_link_is_replaced_and_what_it_points_to_is_kept(target: Path) -> None:
    link = target.with_name("link.bin")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no links here")
    atomic_write(link, NEW)
    assert target.read_bytes() == OLD
    assert link.read_bytes() == NEW


def test_threads_writing_the_same_file(target: Path) -> None:
    contents = [bytes([n]) * 50_000 for n in range(8)]
    threads = [threading.Thread(target=atomic_write, args=(target, data)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in contents
    assert alone(target)


def test_hashing_tells_progress(tmp_path: Path) -> None:
    path, seen = tmp_path / "x", list[int]()
    path.write_bytes(bytes(3_000_000))
    assert hash_file(path, seen.append) == hashlib.sha256(bytes(3_000_000)).hexdigest()
    assert seen[-1] == 3_000_000
    assert len(seen) == 3
