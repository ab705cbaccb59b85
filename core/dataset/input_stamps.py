"""Whether pictures of a folder are those that were annotated: by size, and by bytes where the time has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..batch.layouts import read_caption
from ..errors import BadImage
from ..files import hash_file
from .remote import is_url

if TYPE_CHECKING:
    from .job import Job, ShardReport
    from .rows import Row, Shard


def stamp_row(job: Job, shard: Shard, row: Row) -> dict[str, str]:
    """Name of a folder's picture → its stamp, with its caption's where the layout holds captions; else nothing.

    A stamp of what cannot be read is empty.
    """
    if shard.kind != "folder":
        return {}
    name = shard.names[row.index]
    if shard.stamps:
        return {name: shard.stamps[row.index]}
    stamp = _stamp_file(Path(shard.path) / name)
    if stamp and job.layout == "diffusers":
        stamp = f"{stamp} {_hash(str(row.fields.get('txt', '')))}"
    return {name: stamp}


def list_changed(shard: Shard, report: ShardReport) -> list[str]:
    """Pictures of a folder's shard that are others than those that were annotated, or have another caption."""
    known = report.inputs
    if is_url(shard.path):
        stamps = zip(shard.names, shard.stamps, strict=False)
        return [name for name, stamp in stamps if known.get(name, stamp) != stamp]
    return [name for name in shard.names if _has_changed(Path(shard.path) / name, known.get(name))]


def _stamp_file(path: Path) -> str:
    try:
        status = path.stat()
        return f"{status.st_size} {status.st_mtime_ns} {hash_file(path)}"
    except (OSError, ValueError):
        return ""


def _has_changed(path: Path, stamp: str | None) -> bool:
    if stamp is None:  # of a data set that holds no stamps
        return False
    if not stamp:
        return bool(_stamp_file(path))
    size, time, digest, *caption = stamp.split()
    try:
        status = path.stat()
        if str(status.st_size) != size or (str(status.st_mtime_ns) != time and hash_file(path) != digest):
            return True
        return bool(caption) and _hash(read_caption(path)) != caption[0]
    except (OSError, BadImage):
        return True


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
