"""The one way in which files are opened, and brought to disk: a pipe, device or socket in a file's place is refused."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    Mode = Literal["rb", "r+b", "wb", "ab"]

_FLAGS = {
    "rb": os.O_RDONLY,
    "r+b": os.O_RDWR,
    "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
}
_ALWAYS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


FEW = 8
"""Most files that are brought to disk one by one."""


class NotAFile(OSError):
    """What has the name is no regular file; strerror says what it is."""


def open_regular_file(path: str | os.PathLike[str], mode: Mode = "rb") -> BinaryIO:
    """Open a regular file without waiting for anybody. Raises NotAFile, other OSErrors, ValueError (NUL in it)."""
    try:
        _check_mode(Path(path).stat().st_mode, path)
    except FileNotFoundError:
        if mode in ("rb", "r+b"):
            raise
    handle = os.open(path, _FLAGS[mode] | _ALWAYS, 0o666)
    try:
        _check_mode(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, mode)
    except BaseException:
        os.close(handle)
        raise


def check_regular_file(path: str | os.PathLike[str]) -> None:
    """Raise NotAFile or another OSError unless a library may open this path."""
    open_regular_file(path).close()


def read_regular_file(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file. Raises OSError."""
    with open_regular_file(path) as stream:
        return stream.read()


def read_text_file(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """UTF-8 text of a regular file, line ends as one line feed. Raises OSError, UnicodeDecodeError."""
    text = read_regular_file(path).decode("utf-8", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on disk. Raises OSError."""
    with open_regular_file(path, "r+b" if sys.platform == "win32" else "rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # some network file systems refuse it; the rename itself has succeeded
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_paths(paths: Sequence[Path]) -> None:
    """Wait until the bytes of files and the names in folders are on disk; all are of one file system. Raises OSError.

    Many at once take as long as a few where the system can bring a whole file system to disk (Linux).
    """
    if len(paths) > FEW and _sync_file_system(paths[0]):
        return
    for path in paths:
        (sync_folder if path.is_dir() else sync_file)(path)


def _sync_file_system(path: Path) -> bool:
    """Bring all of the file system that a path lies on to disk; whether the system can."""
    import ctypes

    sync = getattr(ctypes.CDLL(None), "syncfs", None) if sys.platform == "linux" else None
    if sync is None:
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        return sync(handle) == 0
    finally:
        os.close(handle)


def _check_mode(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise NotAFile(number, f"is {kind}, not a file", str(Path(path)))
