"""Shards over actors of a Ray cluster, or of an instance on this machine.

Actors get shards by path and answer with reports: pixels never enter Ray's object store. Ray's own retries, blocks and
checkpoints are not used: an actor that dies is replaced here, and what is committed stands in the manifest. A cluster
that starts no actor within a while ends the run with a message, because Ray itself waits without end.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import WriteFailed
from ..packages import load_package
from .pool import POLL, Death, Pool, Worker, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..job import Job, ShardReport
    from ..rows import Shard
    from . import Events
    from .pool import Work

PATIENCE = 120.0
"""Seconds within which an actor starts on a cluster that has room for it."""
STORE = 100 << 20
"""Bytes of the object store of an instance on this machine, which holds reports only."""


class Actor:
    """Runs shards in a process of Ray's."""

    def __init__(self, job: Job, work: Work) -> None:
        self.job, self.work = job, work

    def answer(self, shard: Shard) -> Any:
        """A report, or the error that ends the run."""
        return answer(self.job, shard, self.work)

    def is_up(self) -> bool:
        """Answers when it has started."""
        return True


class RayEngine(Pool):
    """Actors of one CPU each. address: of a cluster; empty for an instance of its own on this machine."""

    def __init__(
        self, job: Job, shards: Sequence[Shard], work: Work, workers: int, events: Events, address: str = ""
    ) -> None:
        super().__init__(job, shards, work, workers, events)
        self._ray = load_package("ray", "clusters")
        self._address, self._is_ours = address, not self._ray.is_initialized()
        self._up: dict[Any, tuple[Any, float]] = {}

    def run(self) -> None:
        """Connect, run all shards, disconnect. Raises WriteFailed for a cluster that cannot be reached or stalls."""
        if self._is_ours:
            self._connect()
        try:
            super().run()
        finally:
            if self._is_ours:
                self._ray.shutdown()

    def _connect(self) -> None:
        how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address:
            how["address"] = self._address
        else:  # one CPU more than the actors use: with none left Ray's own tasks wait for ever
            how |= {"address": "local", "num_cpus": self.count + 1, "object_store_memory": STORE}
            how["include_dashboard"] = False
        try:
            self._ray.init(**how)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            fix = "check the address, `ray status` and the version of Ray on the cluster"
            what = f"Ray cannot be reached ({' '.join(str(error).split())[:300]})"
            raise WriteFailed(what, where=self._address or "ray", fix=fix) from error

    def start(self) -> Worker:
        """Ask for an actor."""
        body = self._ray.remote(num_cpus=1, max_restarts=0)(Actor).remote(self.job, self.work)
        self._up[body] = (body.is_up.remote(), time.monotonic())
        return Worker(body, None)

    def send(self, worker: Worker, shard: Shard) -> None:
        """Send a shard."""
        worker.line = worker.body.answer.remote(shard)

    def receive(self, busy: Sequence[Worker]) -> list[tuple[Worker, ShardReport | Death | BaseException]]:
        """Wait for answers, and for actors that die."""
        lines = {worker.line: worker for worker in busy}
        ready, _ = self._ray.wait(list(lines), num_returns=1, timeout=POLL)
        if not ready:
            self._watch()
        return [(lines[line], self._read(lines[line])) for line in ready]

    def _read(self, worker: Worker) -> ShardReport | Death | BaseException:
        try:
            return self._ray.get(worker.line)
        except self._ray.exceptions.RayError as error:
            self._up.pop(worker.body, None)
            return Death(describe_death(str(error)))

    def _watch(self) -> None:
        """Raise WriteFailed where an actor does not start: the cluster has no room for it."""
        for body, (up, asked) in list(self._up.items()):
            if self._ray.wait([up], timeout=0)[0]:
                del self._up[body]
            elif time.monotonic() - asked > PATIENCE:
                free = self._ray.available_resources().get("CPU", 0)
                what = f"Ray has not started {len(self._up)} of {self.count} workers within {PATIENCE:g} seconds"
                fix = f"give fewer --workers ({free:g} CPUs are free), or add nodes"
                raise WriteFailed(what, where=self._address or "ray", fix=fix)

    def end(self, worker: Worker) -> None:
        """End an actor."""
        with suppress(Exception):
            self._ray.kill(worker.body)


def describe_death(text: str) -> str:
    """What Ray says of a death in its first line, and the cause, which is in its last."""
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip()] or ["no reason given"]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))
