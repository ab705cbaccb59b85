"""Annotators of a worker."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tests.support.datasets import plan_job

from underdrawing.core.tiling.options import TileOptions
from underdrawing.preprocessors.batches.dataset_worker import load_annotators


def test_maps_of_a_data_set_are_made_in_the_tiles_of_the_job() -> None:
    job = plan_job("in", Path("out"))
    assert load_annotators(job)["canny"].tiles is None
    found = load_annotators(msgspec.structs.replace(job, tile=64, overlap=16))
    assert {name: one.tiles for name, one in found.items()} == dict.fromkeys(found, TileOptions(tile=64, overlap=16))
