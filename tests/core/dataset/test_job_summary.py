"""What a run says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.datasets import plan_job

from underdrawing.core.dataset.job import ShardReport
from underdrawing.core.dataset.job_summary import describe_columns, summarise_job
from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.dataset.run_job import Plan

SHARDS = [Shard(name=name, path=f"{name}.tar", kind="webdataset") for name in "ab"]


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("folder", "out/canny, out/invert"),
        ("webdataset", "conditioning_image_canny.png, conditioning_image_invert.png"),
        ("parquet", "conditioning_image_canny, conditioning_image_invert"),
    ],
)
def test_maps_of_several_annotators_are_found(kind: Any, part: str) -> None:
    (line,) = describe_columns(plan_job("in", Path("out"), format=kind, layout="diffusers"))
    assert line.endswith(part)


def test_maps_that_need_no_finding_are_not_described() -> None:
    one = plan_job("in", Path("out")).annotators[:1]
    assert describe_columns(plan_job("in", Path("out"), layout="diffusers", annotators=one)) == ()
    assert describe_columns(plan_job("in", Path("out"))) == ()


def summarise(tmp_path: Path, *reports: ShardReport, failures: dict[str, str] | None = None) -> tuple[str, bool]:
    manifest = Manifest(tmp_path)
    with manifest.hold(plan_job("in", tmp_path)):
        for report in reports:
            manifest.commit(report)
    found = summarise_job(manifest, SHARDS, Plan(SHARDS, {}), failures or {})
    return found.text, found.whole


def test_a_run_is_whole_with_refused_rows_but_not_with_damaged_shards(tmp_path: Path) -> None:
    refused = (("x", "picture", "cut off"), ("y", "edges", "share of edges 0"))
    text, whole = summarise(
        tmp_path, ShardReport(name="a", rows=3, written=1, refused=refused), ShardReport(name="b", rows=1, written=1)
    )
    assert whole
    lines = ["2 of 2 shards, 4 rows, 2 with maps", "  pictures that cannot be read: 1", "  filtered by edges: 1"]
    assert text.splitlines()[:3] == lines
    text, whole = summarise(tmp_path, ShardReport(name="b", rows=1, refused=(("b[0:]", "damage", "cut off"),)))
    assert not whole
    assert "are lost: b. Next: replace them" in text


def test_a_run_with_missing_shards_or_without_a_map_is_not_whole(tmp_path: Path) -> None:
    text, whole = summarise(tmp_path, ShardReport(name="a", rows=1, written=1), failures={"b": "its process died"})
    assert not whole
    assert "shard b is given up: its process died" in text
    assert "missing shards: 1. Next" in text
    nothing = (ShardReport(name=name, rows=1, refused=(("x", "size", "small"),)) for name in "ab")
    text, whole = summarise(tmp_path, *nothing)
    assert not whole
    assert "no map was written" in text
