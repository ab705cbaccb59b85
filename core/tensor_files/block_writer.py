"""Writes a large file in order, in blocks: each is hashed and written on a second thread while the next is filled.

On Linux the blocks go to the disk past the system's cache, where the file system allows it: to fill that cache costs
more CPU time than to merge two checkpoints, and would push the models out of memory that are in use.
"""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from mmap import mmap
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from types import TracebackType

BLOCK = 1 << 21
"""Bytes of a block."""
_ALIGNMENT = 4096
"""Blocks that bypass the cache begin and end at multiples of this, in memory and in the file."""
_REFUSED = (errno.EINVAL, errno.EOPNOTSUPP)
_DIRECT = getattr(os, "O_DIRECT", 0)


class BlockWriter:
    """Writes to an open, empty file that nothing else writes to. Leave its block before the file is closed.

    hashed: whether the SHA-256 of all bytes is computed. Raises OSError, at the next call, for what could not be
    written.
    """

    def __init__(self, stream: BinaryIO, *, hashed: bool = True) -> None:
        stream.flush()
        self._number, self._digest = stream.fileno(), hashlib.sha256() if hashed else None
        self._current, self._spare = memoryview(mmap(-1, BLOCK)), memoryview(mmap(-1, BLOCK))  # each begins at a page
        self._filled = 0
        self._large: bytearray | None = None
        self._worker = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._direct = _bypass_cache(self._number, on=True)

    def __enter__(self) -> BlockWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the second thread: nothing writes to the file afterwards."""
        self._worker.shutdown()

    def take(self, size: int) -> memoryview:
        """Room for the next bytes of the file, to be filled before the next call."""
        self._keep_large()
        if size > BLOCK - _ALIGNMENT:
            self._large = bytearray(size)
            return memoryview(self._large)
        if self._filled + size > BLOCK:
            self._send()
        begin, self._filled = self._filled, self._filled + size
        return self._current[begin : self._filled]

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Add bytes."""
        view, step = memoryview(content), BLOCK // 2
        for begin in range(0, len(view), step):
            piece = view[begin : begin + step]
            self.take(len(piece))[:] = piece

    def finish(self) -> str:
        """Write what is left. Returns the SHA-256 of all, empty where it was not wanted."""
        self._keep_large()
        self._send()
        self._wait()
        if self._direct:
            _bypass_cache(self._number, on=False)
            self._direct = False
        self._put(self._current, self._filled)
        return self._digest.hexdigest() if self._digest else ""

    def _keep_large(self) -> None:
        """Put what was too large for a block into blocks."""
        if self._large is not None:
            content, self._large = self._large, None
            self.write(content)

    def _send(self) -> None:
        """Hand the whole pages of the block to the second thread; what is left begins the next one."""
        size = self._filled // _ALIGNMENT * _ALIGNMENT
        self._wait()
        rest = self._filled - size
        self._spare[:rest] = self._current[size : self._filled]
        self._pending = self._worker.submit(self._put, self._current, size)
        self._current, self._spare, self._filled = self._spare, self._current, rest

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _put(self, block: memoryview, size: int) -> None:
        """Hash and write a block."""
        if self._digest is not None:
            self._digest.update(block[:size])
        done = 0
        while done < size:
            try:
                done += os.write(self._number, block[done:size])
            except OSError as error:
                if not self._direct or error.errno not in _REFUSED:
                    raise
                self._direct = _bypass_cache(self._number, on=False)


def _bypass_cache(number: int, *, on: bool) -> bool:
    """Turn direct writing on or off; whether it is on afterwards."""
    if not _DIRECT:
        return False
    from fcntl import F_GETFL, F_SETFL, fcntl

    flags = fcntl(number, F_GETFL)
    try:
        fcntl(number, F_SETFL, flags | _DIRECT if on else flags & ~_DIRECT)
    except OSError:
        return False
    return on
