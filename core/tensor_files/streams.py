"""Reads exactly the bytes that a file announced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import BadWeights

if TYPE_CHECKING:
    from typing import BinaryIO

FETCH_AGAIN = "fetch the file again"
OPEN_IT = "check that it exists and may be read"
BIG_ENDIAN = "save it again with a current torch on a little-endian machine"


def read_into(stream: BinaryIO, view: memoryview, where: str) -> None:
    """Fill the view from the stream. Raises BadWeights where the stream ends early."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise BadWeights("is cut off", where=where, fix=FETCH_AGAIN)
        done += count


def read_at(stream: BinaryIO, offset: int, view: memoryview, where: str) -> None:
    """Fill the view from the stream at an offset, in one call of the system where it has one for that.

    Raises BadWeights where the stream ends early.
    """
    if not hasattr(os, "preadv"):
        stream.seek(offset)
        read_into(stream, view, where)
        return
    done = os.preadv(stream.fileno(), [view], offset)
    while done < len(view):
        count = os.preadv(stream.fileno(), [view[done:]], offset + done)
        if not count:
            raise BadWeights("is cut off", where=where, fix=FETCH_AGAIN)
        done += count


def check_size(stream: BinaryIO, size: int, where: str) -> None:
    """Raise BadWeights when the open file has another size than it had."""
    found = os.fstat(stream.fileno()).st_size
    if found != size:
        what = f"changed while it was read: it was {size} bytes and is {found}"
        raise BadWeights(what, where=where, fix=FETCH_AGAIN)
