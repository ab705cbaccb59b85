"""How far a shard is that any worker is at, from what lies in the destination: workers need not answer for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..manifest import PARTS, ROWS, Manifest

if TYPE_CHECKING:
    from ..job import Job
    from ..rows import Shard

INPUT = "input"
"""Folder of a shard at work with the file that was fetched for it."""


def measure_progress(job: Job, shard: Shard) -> int:
    """Bytes of a shard's records and of its fetched input; any other number than before is progress."""
    part = Manifest(Path(job.destination)).folder / PARTS / shard.name
    size = 0
    for name in (INPUT, ROWS):
        try:
            size += sum(path.stat().st_size for path in (part / name).iterdir())
        except OSError:  # not begun, or committed in this moment
            continue
    return size
