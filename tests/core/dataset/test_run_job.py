"""What surrounds an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core.dataset import run_job
from underdrawing.core.dataset.run_job import MEMORY, check_apart, count_workers
from underdrawing.core.errors import BadParameter

if TYPE_CHECKING:
    from pathlib import Path


def list_cpus(process: int) -> set[int]:
    return set(range(8 + process))


@pytest.mark.parametrize(
    ("free", "weights", "workers"), [(0, 0, 8), (MEMORY // 2, 0, 1), (3 * MEMORY, 0, 3), (6 * MEMORY, MEMORY, 2)]
)
def test_as_many_workers_as_fit(monkeypatch: pytest.MonkeyPatch, free: int, weights: int, workers: int) -> None:
    monkeypatch.setattr(run_job, "find_free_memory", lambda: free)
    monkeypatch.setattr("os.sched_getaffinity", list_cpus, raising=False)
    assert count_workers(0, weights) == workers
    assert count_workers(5, weights) == 5


def test_maps_do_not_go_among_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="among the pictures"):
        check_apart(str(tmp_path), tmp_path / "maps")
    check_apart(str(tmp_path / "in"), tmp_path)
    check_apart("s3://bucket/pictures", tmp_path)
