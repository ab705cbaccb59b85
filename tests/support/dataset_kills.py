"""Runs of a data set that are killed at random moments, by hand: ``python -m tests.support.dataset_kills``.

Too slow for the suite, which kills a few times at fixed points. Each data set is disturbed up to three times: kill -9
of the run itself, of one of its workers, or (``--engine ray``) of a node with all that runs there. A run that was
killed is started again; at the end all bytes are compared with those of an undisturbed run. Ray runs on one cluster of
two nodes, which outlives the runs. Prints a line for each kill at once. Linux only; needs ``PYTHONPATH=.dev:.``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.datasets import CUT_OFF, encode, read_tree, write_tar
from tests.support.process_tree import list_descendants

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

RANDOM = "canny.low_threshold=uniform(30,120)"
SHARDS, ROWS = 16, 24
EACH = 3
"""Kills in one data set."""


class Nodes:
    """A Ray cluster of this process: a head of two CPUs, and a node of one that may be killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster  # type: ignore[reportMissingImports]

        store = {"object_store_memory": 80 << 20, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **store})
        self.address: str = self._cluster.address
        self._second = self._add()

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=80 << 20)

    def kill_second(self) -> int:
        """Kill the second node with kill -9, and add another; how many actors ran there."""
        raylet = self._second.all_processes["raylet"][0].process.pid
        below = list_descendants(raylet)
        actors = sum(map(is_worker, below))
        for pid in (raylet, *below):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = self._add()
        return actors


def write_shards(folder: Path) -> Path:
    """Tars of pictures; the second of each is cut off."""
    folder.mkdir()
    for shard in range(SHARDS):
        numbers = range(shard * ROWS, (shard + 1) * ROWS)
        members = {f"{n:04}.png": encode(n, size=(256, 256)) for n in numbers} | {f"{numbers[1]:04}.png": CUT_OFF}
        write_tar(folder / f"s{shard:02}.tar", members)
    return folder


def list_command(source: Path, target: Path, engine: str, form: str, address: str) -> list[str]:
    """Command of a run with a random parameter, over two workers."""
    command = [sys.executable, "-m", "underdrawing", "dataset", "annotate", str(source), "--out", str(target)]
    given = {"--annotators": "canny,invert", "--parameter": RANDOM, "--engine": engine, "--workers": "2"}
    given |= {"--format": form, "--ray-address": address}
    return [*command, "--log-json", *(part for pair in given.items() if pair[1] for part in pair)]


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a run."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=stream, stderr=subprocess.STDOUT
        )


def is_worker(pid: int) -> bool:
    """Whether a process is a worker of either engine."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
    return "spawn_main" in words or words.startswith("ray::Actor")


def list_workers() -> list[int]:
    """Workers below this process: of runs, and of its cluster."""
    return [pid for pid in list_descendants(os.getpid()) if is_worker(pid)]


def wait_for_none() -> int:
    """Wait up to ten seconds until no worker is left; how many are."""
    end = time.monotonic() + 10
    while (left := len(list_workers())) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def count_shards(target: Path) -> int:
    """Shards that are committed."""
    return len(list((target / ".underdrawing" / "shards").glob("*.json")))


class Trial:
    """Data sets of one engine that are disturbed. seconds: that an undisturbed run takes."""

    def __init__(self, place: Path, engine: str, form: str, nodes: Nodes | None, choose: random.Random) -> None:
        self.place, self.engine, self.form, self.nodes, self.choose = place, engine, form, nodes, choose
        self.log = place / "log"
        self.kills: list[str] = []
        self.left = self.given_up = 0
        self._source = write_shards(place / "in")
        self.finish(place / "warm")  # what is started for the first time takes longer
        began = time.monotonic()
        self.finish(place / "whole")
        self.seconds, self._whole = time.monotonic() - began, read_tree(place / "whole")
        tell(engine=engine, format=form, shards=SHARDS, rows=SHARDS * ROWS, seconds=round(self.seconds, 1))

    def _start(self, target: Path) -> subprocess.Popen[bytes]:
        address = self.nodes.address if self.nodes else ""
        return start(list_command(self._source, target, self.engine, self.form, address), self.log)

    def finish(self, target: Path) -> None:
        """Run to the end; once more where a shard lost two workers and was given up."""
        for _ in range(3):
            if self._start(target).wait() == 0:
                return
            self.given_up += 1
        raise SystemExit(self.log.read_text()[-3000:])

    def disturb(self, target: Path, wanted: int) -> None:
        """Kill so often while the data set is made, if it takes that long, and make it whole."""
        run = self._start(target)
        for _ in range(wanted):
            try:
                run.wait(self.choose.uniform(0.2, self.seconds * 0.6))
                break  # it was faster
            except subprocess.TimeoutExpired:
                run = self._kill(run, target)
        self.given_up += run.wait() != 0
        self.finish(target)

    def _kill(self, run: subprocess.Popen[bytes], target: Path) -> subprocess.Popen[bytes]:
        kinds = ["run", "run", "worker", "worker", "worker"] + ["node"] * bool(self.nodes)
        kind, done, workers = self.choose.choice(kinds), count_shards(target), list_workers()
        if done == SHARDS:
            return run  # there is nothing left to lose
        if kind == "worker" and not workers:
            kind = "run"  # it has not started any yet
        if kind == "run":
            run.kill()
            run.wait()
            self.left += wait_for_none()
            run = self._start(target)
        elif kind == "worker":
            os.kill(self.choose.choice(workers), signal.SIGKILL)
        elif self.nodes:
            kind = f"node with {self.nodes.kill_second()} of {len(workers)} workers"
        self.kills.append(kind.split()[0])
        tell(kill=len(self.kills), of=kind, data_set=target.name, shards_done=done)
        return run

    def repeat(self, wanted: int) -> bool:
        """Disturb data sets until there were so many kills; whether all bytes are those of the undisturbed run."""
        equal: list[bool] = []
        while len(self.kills) < wanted:
            target = self.place / f"killed{len(equal)}"
            self.disturb(target, min(EACH, wanted - len(self.kills)))
            equal.append(read_tree(target) == self._whole)
            tell(data_set=target.name, equal=equal[-1])
        kinds = {kind: self.kills.count(kind) for kind in sorted(set(self.kills))}
        counts = {"kills": len(self.kills), **kinds, "data_sets": len(equal), "equal": sum(equal)}
        tell(
            engine=self.engine, format=self.form, **counts, runs_with_lost_shards=self.given_up, workers_left=self.left
        )
        return all(equal)


def tell(**facts: Any) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


def main() -> None:
    """Kill, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="local", choices=("local", "ray"))
    parser.add_argument("--format", default="webdataset")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cluster: AbstractContextManager[Nodes | None] = Nodes() if given.engine == "ray" else nullcontext()
    with tempfile.TemporaryDirectory() as folder, cluster as nodes:
        trial = Trial(Path(folder), given.engine, given.format, nodes, random.Random(given.seed))
        sys.exit(not trial.repeat(given.kills))


if __name__ == "__main__":
    main()
