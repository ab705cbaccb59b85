"""Maps as lance data sets, one for each shard, with the columns of parquet files. Equal rows, but not equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..packages import load_package
from ..rows import Stored
from . import base
from .parquet import build_record, build_schema, list_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..job import Job, ShardReport
    from ..rows import RowResult

ROWS = 256
"""Rows of a fragment, which are held at a time."""
LANCE = "lance data sets"


class Sink(base.Sink):
    """``SHARD.lance``, written in fragments."""

    def __init__(self, job: Job, shard: str, part: Path, place: str = "") -> None:
        super().__init__(job, shard, part, place)
        self._lance, self._pa = load_package("lance", LANCE), load_package("pyarrow", LANCE)
        self._schema, self._rows = build_schema(job), list[dict[str, Any]]()
        self._is_begun = False

    def write(self, result: RowResult) -> None:
        """Add a row; one that is refused has null in place of maps."""
        self._rows.append(build_record(self.job, result))
        if len(self._rows) == ROWS:
            self._flush()

    def _flush(self) -> None:
        table, mode = self._pa.Table.from_pylist(self._rows, self._schema), "append" if self._is_begun else "create"
        self._lance.write_dataset(table, str(self.part / f"{self.shard}.lance"), mode=mode)
        self._is_begun, self._rows = True, []

    def close(self) -> None:
        """Write what is left."""
        if self._rows or not self._is_begun:
            self._flush()

    def abandon(self) -> None:
        """Nothing is open."""


def iter_stored(job: Job, report: ShardReport, destination: Path, keys: Iterable[str]) -> Iterator[Stored]:
    """What is stored of these rows. Raises BadImage where a file is damaged, with the last row that is whole."""
    lance, path, last = load_package("lance", LANCE), destination / f"{report.name}.lance", ""
    try:
        for batch in lance.dataset(str(path)).to_batches(batch_size=16):
            for row in batch.to_pylist():
                found = {name: row.get(column) for name, column in list_columns(job).items()}
                maps = {name: value["bytes"] for name, value in found.items() if value}
                yield Stored(last := row["key"], maps, (row.get("image") or {}).get("bytes"))
    except (OSError, ValueError, KeyError) as error:
        behind = f" behind row {last}" if last else ""
        what = f"the data set is damaged{behind} ({' '.join(str(error).split())[:300]})"
        raise BadImage(what, where=str(path)) from error
