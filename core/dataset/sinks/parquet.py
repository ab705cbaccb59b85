"""Maps as parquet files whose columns Hugging Face's `datasets` and `pandas` read: pictures are structs of bytes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...batch.outputs import to_safe_name
from ...errors import BadImage
from ...regular_files import open_regular_file
from ..packages import load_package
from ..records import encode_record
from ..rows import Stored
from . import base

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..job import Job, ShardReport
    from ..rows import RowResult

PARQUET = "parquet files"
ROWS = 64
"""Rows of a group, which are held at a time."""
RECORD = "record"
"""Column of the record, as JSON."""


class Sink(base.Sink):
    """Columns ``key``, one an annotator, ``record``; diffusers: ``image``, ``conditioning_image``, ``text``."""

    def __init__(self, job: Job, shard: str, part: Path, place: str = "") -> None:
        super().__init__(job, shard, part, place)
        self._pa, pq = (load_package(name, PARQUET) for name in ("pyarrow", "pyarrow.parquet"))
        self._schema, self._rows = build_schema(job), list[dict[str, Any]]()
        self._stream = open_regular_file(part / f"{shard}.parquet", "wb")
        self._writer = pq.ParquetWriter(self._stream, self._schema, compression="none", version="2.6")

    def write(self, result: RowResult) -> None:
        """Add a row; one that is refused has null in place of maps."""
        self._rows.append(build_record(self.job, result))
        if len(self._rows) == ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._flush()
        self._writer.close()
        self._stream.close()

    def abandon(self) -> None:
        """Close the writer in front of the file, or it would write a footer when it is forgotten."""
        with suppress(Exception):  # the disk may be full
            self._writer.close()
        self._writer.is_open = False
        self._stream.close()


def list_columns(job: Job) -> dict[str, str]:
    """Annotator → column of its maps."""
    if job.layout == "diffusers":
        return {one.name: base.name_map(job, one.name, "conditioning_image") for one in job.annotators}
    return {one.name: to_safe_name(one.name) for one in job.annotators}


def build_schema(job: Job) -> Any:
    """pyarrow's schema of the rows, with what `datasets` reads of it."""
    pa = load_package("pyarrow", PARQUET)
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = [*(["image"] if job.layout == "diffusers" else []), *list_columns(job).values()]
    texts = ["key", *(["text"] if job.layout == "diffusers" else []), RECORD]
    features: dict[str, Any] = {name: {"_type": "Image"} for name in pictures}
    features |= {name: {"dtype": "string", "_type": "Value"} for name in texts}
    names = [texts[0], *pictures, *texts[1:]]
    fields = [pa.field(name, picture if name in pictures else pa.string()) for name in names]
    told = json.dumps({"info": {"features": {name: features[name] for name in names}}})
    return pa.schema(fields, metadata={"huggingface": told})


def build_record(job: Job, result: RowResult) -> dict[str, Any]:
    """Columns of a row."""
    key = result.record.key

    def picture(data: bytes | None) -> dict[str, Any] | None:
        return {"bytes": data, "path": f"{key}.png"} if data else None

    row: dict[str, Any] = {"key": key, RECORD: encode_record(result.record).decode().rstrip("\n")}
    if job.layout == "diffusers":
        row |= {"image": picture(result.picture), "text": result.record.text}
    return row | {column: picture(result.maps.get(name)) for name, column in list_columns(job).items()}


def iter_stored(job: Job, report: ShardReport, destination: Path, keys: Iterable[str]) -> Iterator[Stored]:
    """What is stored of these rows. Raises BadImage where the file is damaged, with the last row that is whole."""
    pa, pq = (load_package(name, PARQUET) for name in ("pyarrow", "pyarrow.parquet"))
    path, last = destination / f"{report.name}.parquet", ""
    try:
        with open_regular_file(path) as stream, pq.ParquetFile(stream) as table:
            for batch in table.iter_batches(16):
                for row in batch.to_pylist():
                    found = {name: row.get(column) for name, column in list_columns(job).items()}
                    maps = {name: value["bytes"] for name, value in found.items() if value}
                    yield Stored(last := row["key"], maps, (row.get("image") or {}).get("bytes"))
    except (pa.ArrowException, OSError, KeyError) as error:
        behind = f" behind row {last}" if last else ""
        raise BadImage(f"the file is damaged{behind} ({' '.join(str(error).split())})", where=str(path)) from error
