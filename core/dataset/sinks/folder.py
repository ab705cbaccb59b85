"""Maps as files, under the names that `annotate` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...batch.layouts import build_output, find_image
from ...batch.outputs import to_safe_name
from ...file_names import check_relative_name
from ...regular_files import open_regular_file, read_regular_file
from ..rows import Stored
from . import base

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..job import Job, ShardReport
    from ..rows import RowResult


class Sink(base.Sink):
    """``photo.canny.png`` (sidecar), ``canny/photo.png`` (plain), ``conditioning_image/photo.png`` (diffusers)."""

    def write(self, result: RowResult) -> None:
        """Write maps, and the picture where the layout holds it; nothing of a row without maps."""
        if not result.maps:
            return
        check_relative_name(result.record.key)
        for name, output in list_outputs(self.job, self.place + result.record.key).items():
            if name in result.maps:
                self._write(output, result.maps[name])
                if self.job.layout == "diffusers":
                    self._write(find_image(output), result.picture)

    def _write(self, name: str, data: bytes) -> None:
        path = self.part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_regular_file(path, "wb") as stream:
            stream.write(data)

    def close(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is open."""


def list_outputs(job: Job, place: str) -> dict[str, str]:
    """Annotator → path of its map below the destination. place: folder and key of the row."""
    layout, several = "suffix" if job.layout == "sidecar" else job.layout, len(job.annotators) > 1
    return {one.name: build_output(layout, place, to_safe_name(one.name), several=several) for one in job.annotators}


def iter_stored(job: Job, report: ShardReport, destination: Path, keys: Iterable[str]) -> Iterator[Stored]:
    """What is stored of these rows."""
    for key in keys:
        outputs = {name: destination / output for name, output in list_outputs(job, report.place + key).items()}
        maps = {name: read_regular_file(path) for name, path in outputs.items() if path.is_file()}
        picture = None
        if job.layout == "diffusers":
            first = list_outputs(job, report.place + key)[job.annotators[0].name]
            image = destination / find_image(first)
            picture = read_regular_file(image) if image.is_file() else None
        yield Stored(key, maps, picture)
