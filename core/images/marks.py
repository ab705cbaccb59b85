"""The mark that every map of this project bears: a text chunk of its PNG."""

from __future__ import annotations

from pathlib import Path

from ..regular_files import open_regular_file
from .headers import PNG_SIGNATURE

KEYWORD = "underdrawing"
"""Keyword of the text chunk that holds a map's info as JSON."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_WALK = 256
"""Most chunks that are looked at; encoders write texts before the picture's data."""


def has_mark(path: Path) -> bool:
    """Whether a file is a PNG that was written by this project, wherever it lies; only its first chunks are read."""
    try:
        if not path.is_file():
            return False
        with open_regular_file(path) as file:
            if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
                return False
            for _ in range(_LONGEST_WALK):
                head = file.read(8)
                length, kind = int.from_bytes(head[:4], "big"), head[4:]
                if len(head) < 8 or kind in (b"IDAT", b"IEND"):
                    return False
                start = file.tell()
                if kind in _TEXTS and file.read(len(KEYWORD) + 1) == KEYWORD.encode() + b"\0":
                    return True
                file.seek(start + length + 4)
    except (OSError, ValueError):
        return False
    return False
