"""What every sink does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ..job import Job
    from ..rows import RowResult


class Sink(ABC):
    """Writes the rows of one shard into a folder of its own. What stands there has its final relative path.

    place: folder for files that are named by keys.
    """

    def __init__(self, job: Job, shard: str, part: Path, place: str = "") -> None:
        self.job, self.shard, self.part, self.place = job, shard, part, place

    @abstractmethod
    def write(self, result: RowResult) -> None:
        """Write a row. Raises WriteFailed, OSError."""

    @abstractmethod
    def close(self) -> None:
        """Complete what was written."""

    @abstractmethod
    def abandon(self) -> None:
        """Let go of open files, after an error."""


def name_map(job: Job, annotator: str, base: str) -> str:
    """Name of a map where several annotators may run: base alone, or with the annotator's name behind it."""
    from ...batch.outputs import to_safe_name

    return base if len(job.annotators) == 1 else f"{base}_{to_safe_name(annotator)}"
