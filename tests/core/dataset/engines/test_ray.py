"""Actors of Ray, on an instance of two nodes on this machine."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.datasets import plan_job, read_tree, run_here

from underdrawing.core.dataset.engines import ray as module
from underdrawing.core.dataset.engines.ray import RayEngine, describe_death
from underdrawing.core.dataset.job import Job, ShardReport
from underdrawing.core.dataset.manifest import Manifest
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.dataset.shards import list_shards
from underdrawing.core.errors import MissingExtra, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

WHY = 'needs Ray: pip install "underdrawing[ray]"'


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Two nodes, of two CPUs and of one."""
    ray = pytest.importorskip("ray", reason=WHY)
    from ray.cluster_utils import Cluster  # type: ignore[reportMissingImports]

    root = Path(__file__).resolve().parents[4]
    paths = os.pathsep.join([str(root / ".dev"), str(root)])
    store = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **store})
    cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield ray
    ray.shutdown()
    cluster.shutdown()


def work(job: Job, shard: Shard) -> ShardReport:
    """Note the process and the node, then do what the shard's path says."""
    import ray  # type: ignore[reportMissingImports]

    notes = Path(job.destination) / shard.name
    is_first = not notes.exists()
    node = ray.get_runtime_context().get_node_id()
    with notes.open("a") as stream:
        stream.write(f"{node}\n")
    if shard.path == "die" or (shard.path == "die once" and is_first):
        os.kill(os.getpid(), signal.SIGKILL)
    return ShardReport(name=shard.name, rows=1)


class Heard:
    """What an engine tells."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.failures: dict[str, str] = {}

    def report(self, report: ShardReport) -> None:
        self.reports.append(report.name)

    def failed(self, shard: Shard, reason: str) -> None:
        self.failures[shard.name] = reason

    def tick(self) -> None: ...

    def stopped(self) -> None: ...


def test_actors_that_die_are_replaced_and_cost_their_shard_one_more_try(ray: Any, tmp_path: Path) -> None:
    ways = ["", "die", "die once", "", "", ""]
    shards = [Shard(name=f"{number}", path=way, kind="folder") for number, way in enumerate(ways)]
    heard = Heard()
    RayEngine(Job(source="", destination=str(tmp_path), annotators=()), shards, work, 2, heard).run()
    assert sorted(heard.reports) == ["0", "2", "3", "4", "5"]
    assert list(heard.failures) == ["1"]
    assert "died 2 times" in heard.failures["1"]
    assert len((tmp_path / "2").read_text().splitlines()) == 2


def test_the_bytes_are_those_of_a_run_without_ray(ray: Any, pictures: Path, tmp_path: Path) -> None:
    from underdrawing.preprocessors.batches.dataset_worker import work_on_shard

    run_here(plan_job(pictures, tmp_path / "here", format="webdataset"), size=2)
    job, shards = plan_job(pictures, tmp_path / "ray", format="webdataset"), list_shards(str(pictures), size=2)
    heard = Heard()
    with Manifest(tmp_path / "ray").hold(job, shards):
        RayEngine(job, shards, work_on_shard, 2, heard).run()
    assert len(heard.reports) == len(shards)
    assert read_tree(tmp_path / "ray") == read_tree(tmp_path / "here")


def test_a_cluster_without_room_ends_the_run_with_a_message(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setattr(module, "POLL", 0.1)
    held = ray.remote(num_cpus=1)(module.Actor)
    taken = [held.remote(None, None) for _ in range(3)]
    ray.get([one.is_up.remote() for one in taken])
    shard = Shard(name="0", path="", kind="folder")
    with pytest.raises(WriteFailed, match=r"has not started 1 of 1 workers.*fewer --workers"):
        RayEngine(Job(source="", destination=str(tmp_path), annotators=()), [shard], work, 1, Heard()).run()
    for one in taken:
        ray.kill(one)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"underdrawing\[ray\]"):
        RayEngine(Job(source="", destination=str(tmp_path), annotators=()), [], work, 1, Heard())


def test_the_cause_of_a_death_is_told() -> None:
    text = "The actor died in its creation task\n\n  File x, line 1\nModuleNotFoundError: No module named 'pack'\n"
    assert describe_death(text) == "The actor died in its creation task ModuleNotFoundError: No module named 'pack'"
    assert (describe_death("one"), describe_death("")) == ("one", "no reason given")
