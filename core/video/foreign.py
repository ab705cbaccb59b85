"""Files that lie in the place of maps of clips: of others, and of earlier runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..files import report_write_errors
from ..images.marks import KEYWORD
from ..regular_files import open_regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_ENDS = 1 << 16
"""Bytes at both ends of a video among which its comment stands."""


def find_foreign(target: Path, is_own: Callable[[Path], bool]) -> Path | None:
    """A picture in the folder of a clip's maps, or the video in their place, that this program did not write.

    is_own: whether it is recorded or marked as ours.
    """
    files = sorted(target.glob("*.png")) if target.is_dir() else [target]
    return next((path for path in files if path.exists() and not is_own(path) and not has_video_mark(path)), None)


def remove_maps(folder: Path, recorded: Iterable[Path]) -> None:
    """Remove what earlier runs wrote into the folder of a clip's maps, whose pictures are all ours: see `find_foreign`.

    recorded: what they recorded. Of a killed run nothing is: its pictures go, with what lies beside each. Raises
    WriteFailed.
    """
    pictures = sorted(folder.glob("*.png"))
    beside = [path.with_suffix(suffix) for path in pictures for suffix in (".npy", ".json")]
    with report_write_errors(folder):
        for path in (*recorded, *beside, *pictures):
            path.unlink(missing_ok=True)


def has_video_mark(path: Path) -> bool:
    """Whether a video has the comment that every video of ours bears."""
    mark = f"{KEYWORD} {{".encode()
    try:
        with open_regular_file(path) as stream:
            start = stream.read(_ENDS)
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _ENDS))
            return mark in start or mark in stream.read()
    except OSError:
        return False
