"""Progress of shards at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.dataset_engines import plan_shards

from underdrawing.core.dataset.engines.progress import measure_progress

if TYPE_CHECKING:
    from pathlib import Path


def test_records_and_fetched_input_count_and_what_is_not_begun_is_nothing(tmp_path: Path) -> None:
    job, (one, other) = plan_shards(tmp_path, ["", ""])
    part = tmp_path / ".underdrawing" / "parts" / one.name
    assert measure_progress(job, one) == 0
    for folder, size in (("input", 5), ("rows", 7), ("files", 11)):
        (part / folder).mkdir(parents=True)
        (part / folder / "a").write_bytes(b"x" * size)
    assert (measure_progress(job, one), measure_progress(job, other)) == (12, 0)
