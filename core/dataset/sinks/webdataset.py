"""Maps as webdataset tars: the same bytes for the same rows."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ...batch.outputs import to_safe_name
from ...regular_files import open_regular_file
from ..records import encode_record
from . import base

if TYPE_CHECKING:
    from pathlib import Path

    from ..job import Job
    from ..rows import RowResult

RECORD = "record.json"
"""Ending of the record among a sample's files."""


class Sink(base.Sink):
    """``KEY.canny.png`` and ``KEY.record.json``; diffusers: ``KEY.image.png``, ``KEY.conditioning_image.png``."""

    def __init__(self, job: Job, shard: str, part: Path) -> None:
        super().__init__(job, shard, part)
        self._stream = open_regular_file(part / f"{shard}.tar", "wb")
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def write(self, result: RowResult) -> None:
        """Add a sample; of a row that is refused only its record."""
        key = result.record.key
        if self.job.layout == "diffusers" and result.maps:
            self._add(f"{key}.image.png", result.picture)
            for name, data in result.maps.items():
                self._add(f"{key}.{base.name_map(self.job, name, 'conditioning_image')}.png", data)
            self._add(f"{key}.text.txt", result.record.text.encode())
        else:
            for name, data in result.maps.items():
                self._add(f"{key}.{to_safe_name(name)}.png", data)
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
