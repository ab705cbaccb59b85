"""Rows of lance fragments, with pictures as in parquet files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import BadImage
from ..packages import load_package
from .parquet import BATCH, build_row, choose_column
from .table_paths import TablePaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Row, Shard


def iter_rows(shard: Shard, *, image: str, key: str, allow_outside: bool = False) -> Iterator[Row]:
    """One row for each row of the fragment; fields are its other columns."""
    lance = load_package("lance", "lance data sets")
    paths, stem, number = TablePaths(shard, allow_outside=allow_outside), shard.name.partition(".")[0], 0
    try:
        dataset = lance.dataset(shard.path)
        column = choose_column(dataset.schema.names, image, key, where=shard.path)
        fragment = dataset.get_fragment(shard.start)
        if fragment is None:
            what = f"the lance data set has no fragment {shard.start} any more"
            raise BadImage(what, where=shard.path, fix="run the same command again")
        for batch in fragment.to_batches(batch_size=BATCH):
            for record in batch.to_pylist():
                yield build_row(f"{stem}_{number:07}", number, record, column, key, paths)
                number += 1
    except (OSError, ValueError) as error:
        what = f"the lance fragment is damaged ({describe_error(error)})"
        raise BadImage(what, where=shard.path, fix="download it again, or leave it out") from error


def list_columns(shard: Shard) -> list[str]:
    """Names of the columns. Raises BadImage, MissingExtra."""
    lance = load_package("lance", "lance data sets")
    try:
        return lance.dataset(shard.path).schema.names
    except (OSError, ValueError) as error:
        raise BadImage(describe_error(error), where=shard.path) from error


def describe_error(error: Exception) -> str:
    """What lance says, without the line of its own source that said it."""
    return re.sub(r", /\S+\.rs:\d+:\d+", "", " ".join(str(error).split()))[:300]
