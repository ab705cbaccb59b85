"""Rows of parquet files, with pictures as bytes, as Hugging Face's structs of bytes and path, or as paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ...regular_files import open_regular_file
from ..options import KEY
from ..packages import load_package
from ..rows import Row
from .table_paths import TablePaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..rows import Shard

BATCH = 16
"""Rows that are held at a time."""
IMAGES = ("image", "jpg", "png", "webp", "jpeg", "img", "picture", "image_bytes", "path", "file_name")
"""Columns that are tried for the picture where none is named."""


def iter_rows(shard: Shard, *, image: str, key: str, allow_outside: bool = False) -> Iterator[Row]:
    """One row for each row of the file; fields are its other columns."""
    paths = TablePaths(shard, allow_outside=allow_outside)
    pa, pq = (load_package(name, "parquet files") for name in ("pyarrow", "pyarrow.parquet"))
    path = Path(shard.path)
    try:
        with open_regular_file(path) as stream, pq.ParquetFile(stream) as table:
            column = choose_column(table.schema_arrow.names, image, key, where=str(path))
            number, stem = 0, path.name.partition(".")[0]
            for batch in table.iter_batches(BATCH):
                for record in batch.to_pylist():
                    yield build_row(f"{stem}_{number:07}", number, record, column, key, paths)
                    number += 1
    except (pa.ArrowException, OSError) as error:
        what = f"the parquet file is damaged ({' '.join(str(error).split())[:300]})"
        raise BadImage(what, where=str(path), fix="download it again, or leave it out") from error


def list_columns(shard: Shard) -> list[str]:
    """Names of the columns. Raises BadImage, MissingExtra."""
    pa, pq = (load_package(name, "parquet files") for name in ("pyarrow", "pyarrow.parquet"))
    try:
        with open_regular_file(shard.path) as stream, pq.ParquetFile(stream) as table:
            return table.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise BadImage(str(error), where=shard.path) from error


def choose_column(names: Sequence[str], image: str, key: str, *, where: str) -> str:
    """Column of the picture. Raises BadImage where it, or that of the key, is not there."""
    wanted = [one.strip() for one in image.replace(";", ",").split(",") if one.strip()] or IMAGES
    found = next((name for name in wanted if name in names), "")
    have = f"its columns are {', '.join(names)}"
    if not found:
        what = f"it has no column of pictures ({', '.join(wanted)})"
        raise BadImage(what, where=where, fix=f"name the column with --image; {have}")
    if key not in (KEY, *names):
        raise BadImage(f"it has no column {key}", where=where, fix=f"name the column with --key; {have}")
    return found


def build_row(own: str, number: int, record: dict[str, Any], column: str, key: str, paths: TablePaths) -> Row:
    """Row of a record of a table. own: its key where no column names it."""
    value, fields = record.pop(column), record
    named = fields.get(key) if key != KEY else fields.get(KEY, own)
    if named is None or named == "":
        problem = f"its column {key} is empty, which should name it: fill it, or leave --key out"
        return Row(key=own, index=number, fields=fields, problem=problem)
    own = str(named)
    content: Any = value.get("bytes") or value.get("path") if isinstance(value, dict) else value
    if isinstance(content, bytes) and content:
        return Row(key=own, index=number, picture=content, fields=fields)
    if isinstance(content, str) and content:
        path, problem = paths.find(content)
        return Row(key=own, index=number, path=path, fields=fields, problem=problem)
    what = f"holds no picture ({type(content).__name__})" if content else "is empty"
    problem = f"its column {column} {what}: name the column with bytes or paths with --image"
    return Row(key=own, index=number, fields=fields, problem=problem)
