"""Options without effect."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.datasets import plan_job

from underdrawing.core.dataset.rows import Shard
from underdrawing.core.errors import BadParameter
from underdrawing.preprocessors.batches.dataset_use import check_use, drop_unused

FOLDER = Shard(name="0", path="in", kind="folder", names=("a.png",))
TABLE = Shard(name="0", path="0.parquet", kind="parquet")
LOCAL = SimpleNamespace(engine="local")


@pytest.mark.parametrize("name", ["image", "key", "text"])
def test_fields_are_refused_for_folders_and_used_of_tables(name: str) -> None:
    job = plan_job("in", Path("out"), layout="diffusers")
    with pytest.raises(BadParameter, match=f"--{name} has no effect on a folder"):
        check_use(job, LOCAL, {name}, [FOLDER])
    assert check_use(job, LOCAL, {name}, [TABLE]) == ()


def test_options_that_change_nothing_are_named_and_are_no_other_settings() -> None:
    job = plan_job(
        "in", Path("out"), annotators=plan_job("in", Path("out")).annotators[1:], seed=3, shard_size=7, overlap=32
    )
    given = {"seed", "shard_size", "overlap", "allow_outside", "workers"}
    assert [note.split()[0] for note in check_use(job, LOCAL, given, [TABLE])] == [
        "--overlap",
        "--shard-size",
        "--seed",
    ]
    assert (
        drop_unused(job, [TABLE]).hash_settings()
        == drop_unused(plan_job("in", Path("out"), annotators=job.annotators), [TABLE]).hash_settings()
    )
    assert drop_unused(job, [FOLDER]).shard_size == 7
