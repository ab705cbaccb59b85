"""Actors of Ray, on an instance of two nodes on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.dataset_engines import HaltClock, Heard, count_tries, plan_shards, work
from tests.support.datasets import plan_job, read_tree, run_here

from underdrawing.core.dataset.engines import ray as module
from underdrawing.core.dataset.engines.pool import Worker
from underdrawing.core.dataset.engines.ray import RayEngine, describe_death
from underdrawing.core.dataset.manifest import Manifest
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


def engine(folder: Path, ways: list[str], workers: int = 2, **timing: Any) -> tuple[RayEngine, Heard]:
    heard = Heard()
    return RayEngine(*plan_shards(folder, ways), work, workers, heard, **timing), heard


def test_actors_that_die_or_halt_are_replaced_and_cost_their_shard_one_more_try(ray: Any, tmp_path: Path) -> None:
    clock = HaltClock(tmp_path)
    run, heard = engine(tmp_path, ["", "die", "halt once", "", ""], clock=clock)
    clock.run = run
    run.run()
    assert sorted(heard.reports) == ["0", "2", "3", "4"]
    assert list(heard.failures) == ["1"]
    assert "its process died" in heard.failures["1"]
    assert [count_tries(tmp_path, name) for name in "01234"] == [1, 2, 2, 1, 1]


def test_the_bytes_are_those_of_a_run_without_ray(ray: Any, pictures: Path, tmp_path: Path) -> None:
    from underdrawing.preprocessors.batches.dataset_worker import work_on_shard

    run_here(plan_job(pictures, tmp_path / "here", format="webdataset"), size=2)
    job, shards = plan_job(pictures, tmp_path / "ray", format="webdataset"), list_shards(str(pictures), size=2)
    heard = Heard()
    with Manifest(tmp_path / "ray").hold(job, shards):
        RayEngine(job, shards, work_on_shard, 2, heard).run()
    assert len(heard.reports) == len(shards)
    assert read_tree(tmp_path / "ray") == read_tree(tmp_path / "here")


def test_a_cluster_without_room_ends_the_run_and_one_with_little_room_goes_on(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.01)
    taken: list[Any] = []
    for cpus in (2, 1):  # one after the other: a small actor on the large node would leave no room for the large one
        taken.append(ray.remote(num_cpus=cpus)(module.Actor).remote(None, None))
        ray.get(taken[-1].is_up.remote(), timeout=60)
    times = iter(range(0, 10_000, 100))
    run, heard = engine(tmp_path, [""], clock=lambda: next(times))
    with pytest.raises(WriteFailed, match=r"started none of 1 workers within 900 seconds.*fewer --workers"):
        run.run()
    assert [note.partition(";")[0] for note in heard.notes] == ["Ray has started 0 of 1 workers"]
    ray.kill(taken[1])
    run, heard = engine(tmp_path, ["", "", ""])
    run.run()
    assert (sorted(heard.reports), heard.failures) == (["0", "1", "2"], {})
    ray.kill(taken[0])


def test_actors_that_die_as_they_start_are_asked_for_again_until_it_is_of_no_use(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason=WHY)
    run, heard = engine(tmp_path, ["", ""])
    run.workers = [Worker(None, None)]
    for _ in range(module.STARTS * 2):
        assert (run.count, heard.notes) == (2, [])
        run.fail_to_start(Worker(None, None, is_up=False), "no module")
    assert (run.count, heard.notes) == (1, ["workers die as they start (no module): 1 go on"])
    run.workers = []
    with pytest.raises(WriteFailed, match=r"workers die as they start \(no module\).*on all nodes"):
        run.fail_to_start(Worker(None, None, is_up=False), "no module")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"underdrawing\[ray\]"):
        engine(tmp_path, [])


def test_the_cause_of_a_death_is_told() -> None:
    text = "The actor died in its creation task\n\n  File x, line 1\nModuleNotFoundError: No module named 'pack'\n"
    assert describe_death(text) == "The actor died in its creation task ModuleNotFoundError: No module named 'pack'"
    assert (describe_death("one"), describe_death("")) == ("one", "no reason given")
