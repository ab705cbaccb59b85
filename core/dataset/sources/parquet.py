"""Rows of parquet files, with pictures as bytes, as Hugging Face's structs of bytes and path, or as paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadImage, BadParameter
from ...regular_files import open_regular_file
from ..options import KEY
from ..packages import load_package
from ..rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..rows import Shard

BATCH = 16
"""Rows that are held at a time."""
IMAGES = ("image", "jpg", "png", "webp", "jpeg", "img", "picture", "image_bytes", "path", "file_name")
"""Columns that are tried for the picture where none is named."""


def iter_rows(shard: Shard, *, image: str, key: str) -> Iterator[Row]:
    """One row for each row of the file; fields are its other columns."""
    pa, pq = (load_package(name, "parquet files") for name in ("pyarrow", "pyarrow.parquet"))
    path = Path(shard.path)
    try:
        with open_regular_file(path) as stream, pq.ParquetFile(stream) as table:
            column = choose_column(table.schema_arrow.names, image, key, where=str(path))
            number = 0
            for batch in table.iter_batches(BATCH):
                for record in batch.to_pylist():
                    yield build_row(number, record, column, key, path)
                    number += 1
    except (pa.ArrowException, OSError) as error:
        what = f"the parquet file is damaged ({' '.join(str(error).split())})"
        raise BadImage(what, where=str(path), fix="download it again, or leave it out") from error


def choose_column(names: Sequence[str], image: str, key: str, *, where: str) -> str:
    """Column of the picture. Raises BadParameter where it, or that of the key, is not there."""
    wanted = [one.strip() for one in image.replace(";", ",").split(",") if one.strip()] or IMAGES
    found = next((name for name in wanted if name in names), "")
    have = f"its columns are {', '.join(names)}"
    if not found:
        raise BadParameter(f"no column {' or '.join(wanted)}", where=where, fix=f"give --image; {have}")
    if key not in (KEY, *names):
        raise BadParameter(f"no column {key}", where=where, fix=f"give --key; {have}")
    return found


def build_row(number: int, record: dict[str, Any], column: str, key: str, path: Path) -> Row:
    """Row of a record of a table. Paths are relative to the table's folder."""
    value, fields = record.pop(column), record
    own = fields.get(key) if key != KEY else fields.get(KEY, f"{path.name.partition('.')[0]}_{number:07}")
    if own is None or own == "":
        own = f"{path.name.partition('.')[0]}_{number:07}"
        return Row(key=own, index=number, fields=fields, problem=f"its column {key} is empty, which should name it")
    content: Any = value.get("bytes") or value.get("path") if isinstance(value, dict) else value
    if isinstance(content, bytes) and content:
        return Row(key=str(own), index=number, picture=content, fields=fields)
    if isinstance(content, str) and content:
        return Row(key=str(own), index=number, path=str(path.parent / content), fields=fields)
    problem = f"its column {column} is empty" if not content else f"its column {column} holds no picture"
    return Row(key=str(own), index=number, fields=fields, problem=problem)
