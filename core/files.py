"""Writing files so that the old content stands until the new one is complete, and hashing them.

A temporary file stands beside its destination as ``.ud-<destination>-<host>-<pid>-<random>.part``. Whoever writes the
same destination next removes the leftovers of dead processes; nothing else is ever deleted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .errors import WriteFailed
from .regular_files import open_regular_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

RENAME_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts to rename onto a file that another program holds open (Windows)."""
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Error numbers of a full disk, file size limit or quota."""
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""Hash of no bytes: the sign of a file that was never read."""
_CLOSED_FOR = 60.0


def atomic_write(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write bytes under their final name only when all of them are on disk. Raises WriteFailed."""
    with atomic_stream(path, size=len(data)) as stream:
        stream.write(data)
    return Path(path)


@contextmanager
def atomic_stream(path: str | os.PathLike[str], *, size: int = 0) -> Generator[BinaryIO]:
    """Open a stream whose content replaces path when the block ends well; otherwise the old file stays as it was.

    size: bytes that will be written, if known: checked against the free space first. Raises WriteFailed.
    """
    target = Path(path)
    with report_write_errors(target, size):
        if target.exists() and not target.is_file():
            what = "cannot be written: this is a folder, device or pipe"
            raise WriteFailed(what, where=str(target), fix="choose the name of a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        check_free_space(target.parent, size)
        temporary = target.with_name(f"{_make_prefix(target)}{make_process_tag()}.part")
        with _remove_on_error(temporary, but=WriteFailed):  # `replace_file` reports where the complete file is
            with _remove_on_error(temporary), os.fdopen(os.open(temporary, _NEW_FILE, 0o666), "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            replace_file(temporary, target)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, size: int = 0) -> Generator[Path]:
    """A folder that gets its name when the block ends well; otherwise nothing is left of it.

    size: bytes that will be written, if known: checked against the free space first. Raises WriteFailed, also for a
    folder of that name that holds something.
    """
    target = Path(path)
    with report_write_errors(target, size):
        check_new_folder(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        check_free_space(target.parent, size)
        temporary = target.with_name(f"{_make_prefix(target)}{make_process_tag()}.part")
        temporary.mkdir()
        try:
            yield temporary
            if target.is_dir():
                target.rmdir()
            replace_file(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def check_new_folder(target: Path) -> None:
    """Raise WriteFailed for what is no folder, or one that holds something."""
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise WriteFailed("is there already", where=str(target), fix="choose another name, or remove it first")


_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)


@contextmanager
def report_write_errors(target: Path, size: int = 0) -> Generator[None]:
    """Turn an OSError of the block into WriteFailed; a full disk is reported with needed and free bytes."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            fix = "free some space and try again"
            if error.errno == errno.EFBIG:
                fix = (
                    "where enough is free, one file may not be so large (FAT: 4 GiB; ulimit -f): write to another disk"
                )
            raise WriteFailed(describe_full_disk(target.parent, size), where=str(target), fix=fix) from error
        what = f"cannot be written ({error.strerror or error})"
        fix = "check the path and its permissions, or choose another"
        raise WriteFailed(what, where=str(target), fix=fix) from error


@contextmanager
def _remove_on_error(temporary: Path, *, but: type[Exception] | tuple[()] = ()) -> Generator[None]:
    try:
        yield
    except but:
        raise
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def replace_file(temporary: Path, target: Path) -> None:
    """Rename onto target, waiting a while for programs that hold it open. Raises WriteFailed; temporary then stays."""
    for delay in (*RENAME_DELAYS, None):
        try:
            temporary.replace(target)
        except PermissionError as error:
            if delay is None:
                what = f"is held open by another program; the complete new content is in {temporary}"
                raise WriteFailed(what, where=str(target), fix="close that program and rename the file") from error
            time.sleep(delay)
        else:
            break
    sync_folder(target.parent)


def find_existing_folder(folder: Path) -> Path:
    """Nearest folder upwards that exists."""
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path.cwd())


def check_free_space(folder: Path, size: int) -> None:
    """Raise OSError (ENOSPC) when fewer than size bytes are free."""
    if size and shutil.disk_usage(find_existing_folder(folder)).free < size:
        raise OSError(errno.ENOSPC, "no space left")


def describe_full_disk(folder: Path, size: int) -> str:
    """Needed and free bytes, as a sentence."""
    needed = f"{size} bytes needed, " if size else ""
    return f"the disk is full: {needed}{shutil.disk_usage(find_existing_folder(folder)).free} bytes free"


def make_process_tag() -> str:
    """Name of this process that other processes can judge: host, process id and a random part."""
    return f"{_hash_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def is_process_dead(tag: str) -> bool:
    """Whether the process that made the tag has ended; False where that cannot be known (another host)."""
    host, _, rest = tag.partition("-")
    number = rest.partition("-")[0]
    process = parse_count(number)
    if host != _hash_host() or not process or sys.platform == "win32":  # on Windows a signal 0 would end the process
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def parse_count(text: str) -> int | None:
    """Whole number of at most 18 plain digits, as programs write it; None for anything else that calls itself one."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text.strip(" \t")) else None


def _hash_host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _make_prefix(target: Path) -> str:
    return f".ud-{zlib.crc32(target.name.encode('utf-8', 'surrogateescape')):08x}-"


def _remove_leftovers(target: Path) -> None:
    prefix = _make_prefix(target)
    for leaving in target.parent.glob(f"{prefix}*.part"):
        if is_process_dead(leaving.name[len(prefix) :]) or _is_abandoned(leaving):
            _remove(leaving)


def _remove(leaving: Path) -> None:
    if leaving.is_dir() and not leaving.is_symlink():
        shutil.rmtree(leaving, ignore_errors=True)
    else:
        with suppress(OSError):
            leaving.unlink()


def _is_abandoned(leaving: Path) -> bool:
    """On Windows an open file cannot be removed, so an old one that can be is nobody's."""
    if sys.platform != "win32":
        return False
    with suppress(OSError):
        return time.time() - leaving.stat().st_mtime > _CLOSED_FOR
    return False


def hash_file(path: str | os.PathLike[str], progress: Callable[[int], None] | None = None) -> str:
    """Hash a file's bytes; progress gets the number of bytes read so far. Raises OSError."""
    with open_regular_file(path) as stream:
        return hash_stream(stream, progress)


def hash_stream(stream: BinaryIO, progress: Callable[[int], None] | None = None) -> str:
    """Hash what is left of a stream."""
    digest, buffer, done = hashlib.sha256(), bytearray(1 << 20), 0
    view = memoryview(buffer)
    while count := stream.readinto(view):  # type: ignore[attr-defined]
        digest.update(view[:count])
        done += count
        if progress is not None:
            progress(done)
    return digest.hexdigest()
