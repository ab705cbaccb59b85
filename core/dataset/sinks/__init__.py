"""Where rows with their maps go; one file for each way of storing them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Sink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..job import Job, ShardReport
    from ..rows import Stored

__all__ = ["Sink", "iter_stored", "name_columns", "name_stored", "open_sink"]


def open_sink(job: Job, shard: str, part: Path, place: str) -> Sink:
    """A sink of the job's format. part: folder of what is not committed yet; place: for files that are named by keys.

    Raises MissingExtra.
    """
    return import_module(f".{job.format}", __name__).Sink(job, shard, part, place)


def name_stored(job: Job, key: str) -> str:
    """Key under which a row is stored."""
    from .webdataset import name_sample

    return name_sample(key) if job.format == "webdataset" else key


def name_columns(job: Job) -> dict[str, str]:
    """Annotator → column (of tars: field) of its maps, of formats that have such."""
    return import_module(f".{job.format}", __name__).list_columns(job)


def iter_stored(job: Job, report: ShardReport, destination: Path, keys: Iterable[str]) -> Iterator[Stored]:
    """What is stored of a shard, in order. keys: of its rows that have maps. Raises BadImage for a damaged file."""
    return import_module(f".{job.format}", __name__).iter_stored(job, report, destination, keys)
