"""Columns that no table has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.datasets import encode, need

from underdrawing.core.dataset.shards import list_shards
from underdrawing.core.dataset.source_columns import check_columns
from underdrawing.core.errors import BadParameter

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_begins_where_one_table_has_the_columns(tmp_path: Path) -> None:
    need("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "0.parquet").write_bytes(b"damaged")
    check_columns(list_shards(str(tmp_path)), "image", "id")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "1.parquet")
    with pytest.raises(BadParameter, match=r"1\.parquet: it has no column of pictures .*its columns are other"):
        check_columns(list_shards(str(tmp_path)), "", "__key__")
    pq.write_table(pa.table({"image": [encode(1)]}), tmp_path / "2.parquet")
    check_columns(list_shards(str(tmp_path)), "", "__key__")
    (tmp_path / "1.parquet").unlink()
    with pytest.raises(BadParameter, match=r"no column id.*--key"):
        check_columns(list_shards(str(tmp_path)), "image", "id")
