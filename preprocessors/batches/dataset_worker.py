"""Shards in the process of a worker, which loads every annotator once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.dataset.engines.local import limit_threads
from ...core.dataset.run_shard import run_shard
from .. import load_annotator

if TYPE_CHECKING:
    from ...core.annotator import Annotator
    from ...core.dataset.job import Job, ShardReport
    from ...core.dataset.rows import Shard

_loaded: dict[str, dict[str, Annotator[Any]]] = {}
"""Hash of a job's settings → its annotators; of the last job only."""


def work_on_shard(job: Job, shard: Shard) -> ShardReport:
    """Annotate and commit a shard. Raises what `run_shard` and `load_annotator` raise."""
    name = job.hash_settings()
    if name not in _loaded:
        _loaded.clear()
        _loaded[name] = load_annotators(job)
        limit_threads()
    return run_shard(job, shard, _loaded[name])


def load_annotators(job: Job) -> dict[str, Annotator[Any]]:
    """Annotators of a job, by the names that they were given by."""
    how: dict[str, Any] = {name: getattr(job, name) for name in ("device", "dtype", "backend", "tile", "overlap")}
    return {one.name: load_annotator(one.name, **how, **one.params) for one in job.annotators}
