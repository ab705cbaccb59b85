"""Rows of lance fragments, with pictures as in parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import BadImage
from ..packages import load_package
from .parquet import BATCH, build_row, choose_column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Row, Shard


def iter_rows(shard: Shard, *, image: str, key: str) -> Iterator[Row]:
    """One row for each row of the fragment; fields are its other columns."""
    lance = load_package("lance", "lance data sets")
    place, number = Path(shard.path).parent / f"{shard.name}.lance", 0
    try:
        dataset = lance.dataset(shard.path)
        column = choose_column(dataset.schema.names, image, key, where=shard.path)
        for batch in dataset.get_fragment(shard.start).to_batches(batch_size=BATCH):
            for record in batch.to_pylist():
                yield build_row(number, record, column, key, place)
                number += 1
    except (OSError, ValueError) as error:
        what = f"the lance fragment is damaged ({' '.join(str(error).split())[:300]})"
        raise BadImage(what, where=shard.path, fix="download it again, or leave it out") from error
