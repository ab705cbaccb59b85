"""Where rows with their maps go; one file for each way of storing them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Sink

if TYPE_CHECKING:
    from pathlib import Path

    from ..job import Job

__all__ = ["Sink", "open_sink"]


def open_sink(job: Job, shard: str, part: Path) -> Sink:
    """A sink of the job's format. part: folder of what is not committed yet. Raises MissingExtra."""
    return import_module(f".{job.format}", __name__).Sink(job, shard, part)
