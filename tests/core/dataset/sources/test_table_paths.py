"""What tables may name."""

from __future__ import annotations

import pytest

from underdrawing.core.dataset.rows import Shard
from underdrawing.core.dataset.sources.table_paths import TablePaths

TABLE = Shard(name="a", path="/data/a.parquet", kind="parquet")


def test_names_beside_the_table_are_read() -> None:
    assert TablePaths(TABLE).find("pictures/../b.png") == ("/data/pictures/../b.png", "")


@pytest.mark.parametrize("name", ["/etc/passwd", "../b.png", "a/../../b.png", "C:/b.png", "..\\b.png"])
def test_names_that_lead_out_are_read_only_where_the_user_agrees(name: str) -> None:
    assert "--allow-outside" in TablePaths(TABLE).find(name)[1]
    assert not TablePaths(TABLE, allow_outside=True).find(name)[1]


def test_urls_are_never_fetched_and_nothing_is_read_beside_a_table_that_was() -> None:
    assert "names a URL" in TablePaths(TABLE, allow_outside=True).find("http://host/b.png")[1]
    remote = Shard(name="a", path="/data/parts/a.parquet", kind="parquet", url="s3://bucket/a.parquet")
    assert "behind a URL" in TablePaths(remote).find("b.png")[1]
