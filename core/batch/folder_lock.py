"""A lock that processes take turns with, one for each folder."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WriteFailed
from ..files import atomic_write
from ..regular_files import read_text_file

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def lock_folder(folder: Path) -> Generator[None]:
    """Hold a folder's lock; waits for other processes. Nothing is left in the folder.

    Where there are no locks (some network file systems) the block runs without one. Not reentrant.
    """
    handle = _open_handle(folder)
    try:
        if handle is not None:
            with suppress(OSError):
                _acquire(handle)
        yield
    finally:
        if handle is not None:
            os.close(handle)  # which gives the lock back


@contextmanager
def hold_folder(folder: Path, sign: str = "") -> Generator[None]:
    """Hold a folder's lock for a whole run. Raises WriteFailed at once where another process holds it.

    sign: name of a file in the folder that says which process it is while it runs; "" for none.
    """
    handle = _open_handle(folder)
    path = folder / sign if sign and handle is not None else None
    try:
        if handle is not None and not _try_to_acquire(handle):
            number = _read_holder(path)
            who = f"process {number}" if number else "another run"
            fix = "wait until it has ended, or stop it and give the same command again"
            path = None
            raise WriteFailed(f"{who} is writing here", where=str(folder), fix=fix)
        if path is not None:
            with suppress(OSError, WriteFailed):  # a full disk costs others the number, and not this one its run
                atomic_write(path, f"{os.getpid()}\n".encode())
        yield
    finally:
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _read_holder(path: Path | None) -> int:
    """Number of the process that holds a folder; 0 where it is not known."""
    try:
        return int(read_text_file(path).strip()) if path is not None else 0
    except (OSError, ValueError):
        return 0


if sys.platform == "win32":
    import msvcrt

    def _open_handle(folder: Path) -> int | None:
        """A file in the folder of temporary files, as Windows cannot lock folders."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]
        try:
            return os.open(Path(tempfile.gettempdir()) / f"underdrawing-{name}.lock", os.O_CREAT | os.O_RDWR)
        except OSError:
            return None

    def _acquire(handle: int) -> None:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # tries for ten seconds
            except PermissionError:
                continue
            except OSError as error:
                if error.errno != 36:  # EDEADLOCK: still held by another process
                    raise
            else:
                return

    def _try_to_acquire(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        except OSError as error:
            return error.errno not in (13, 36)  # held; anything else: there are no locks
        return True

else:
    import fcntl

    def _open_handle(folder: Path) -> int | None:
        try:
            return os.open(folder, os.O_RDONLY)
        except OSError:
            return None

    def _acquire(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _try_to_acquire(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # there are no locks
        return True
