"""Maps as webdataset tars: the same bytes for the same rows."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ...batch.outputs import to_safe_name
from ...regular_files import open_regular_file
from ..records import NAME, encode_record
from ..rows import Stored
from ..sources.webdataset import iter_samples
from . import base

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..job import Job, ShardReport
    from ..rows import RowResult

RECORD = "record.json"
IMAGE = "image.png"
"""Endings of the record and of the picture among a sample's files."""


class Sink(base.Sink):
    """``KEY.canny.png`` and ``KEY.record.json``; diffusers: ``KEY.image.png``, ``KEY.conditioning_image.png``."""

    def __init__(self, job: Job, shard: str, part: Path, place: str = "") -> None:
        super().__init__(job, shard, part, place)
        self._stream = open_regular_file(part / f"{shard}.tar", "wb")
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def write(self, result: RowResult) -> None:
        """Add a sample; of a row that is refused only its record, and nothing where its key can name no member."""
        if result.record.kind == NAME:
            return
        key, is_whole = name_sample(result.record.key), self.job.layout == "diffusers" and bool(result.maps)
        if is_whole:
            self._add(f"{key}.{IMAGE}", result.picture)
        for name, ending in list_columns(self.job).items():
            if name in result.maps:
                self._add(f"{key}.{ending}", result.maps[name])
        if is_whole:
            self._add(f"{key}.text.txt", result.record.text.encode())
        self._add(f"{key}.{RECORD}", encode_record(result.record))

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))

    def close(self) -> None:
        """Write the end of the tar."""
        self._tar.close()
        self._stream.close()

    def abandon(self) -> None:
        """Close the file."""
        self._stream.close()


def name_sample(key: str) -> str:
    """Key of a sample: as the row's, but a dot would end it."""
    folder, slash, base = key.rpartition("/")
    return f"{folder}{slash}{base.replace('.', '_')}"


def list_columns(job: Job) -> dict[str, str]:
    """Annotator → ending of its maps among a sample's files."""
    if job.layout == "diffusers":
        return {one.name: f"{base.name_map(job, one.name, 'conditioning_image')}.png" for one in job.annotators}
    return {one.name: f"{to_safe_name(one.name)}.png" for one in job.annotators}


def iter_stored(job: Job, report: ShardReport, destination: Path, keys: Iterable[str]) -> Iterator[Stored]:
    """What is stored of these rows. Raises BadImage where the tar is damaged."""
    endings = {name: ending.lower() for name, ending in list_columns(job).items()}
    for key, fields in iter_samples(destination / f"{report.name}.tar"):
        maps = {name: fields[ending] for name, ending in endings.items() if ending in fields}
        yield Stored(key, maps, fields.get(IMAGE))
