"""Shards over actors of a Ray cluster, or of an instance on this machine.

Actors get shards by path and answer with reports: pixels never enter Ray's object store. Ray's own retries, blocks and
checkpoints are not used: an actor that dies or stalls is replaced here, and what is committed stands in the manifest.
Only actors that are up get shards, because Ray lets an actor wait without end for which the cluster has no room.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import WriteFailed
from ..packages import load_package
from .pool import POLL, Death, Pool, Started, Worker, answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..job import Job, ShardReport
    from ..rows import Shard
    from . import Events
    from .pool import Work

NOTE_AFTER = 60.0
"""Seconds after which it is said that actors have not started."""
STARTS = 3
"""Actors in a row that may die while they start, for each worker."""
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
        self,
        job: Job,
        shards: Sequence[Shard],
        work: Work,
        workers: int,
        events: Events,
        address: str = "",
        **timing: Any,
    ) -> None:
        super().__init__(job, shards, work, workers, events, **timing)
        self._ray = load_package("ray", "clusters")
        self._address, self._is_ours = address, not self._ray.is_initialized()
        self._failures, self._is_noted, self._none_since = 0, False, self.clock()

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
            raise WriteFailed(what, where=self._where, fix=fix) from error

    @property
    def _where(self) -> str:
        return self._address or "ray"

    def start(self) -> Worker:
        """Ask for an actor."""
        body = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Actor).remote(self.job, self.work)
        return Worker(body, body.is_up.remote(), is_up=False)

    def send(self, worker: Worker, shard: Shard) -> None:
        """Send a shard."""
        worker.line = worker.body.answer.remote(shard)

    def receive(self, busy: Sequence[Worker]) -> list[tuple[Worker, ShardReport | Started | Death | BaseException]]:
        """Wait for answers, and for actors that start or die."""
        lines = {worker.line: worker for worker in busy}
        ready, _ = self._ray.wait(list(lines), num_returns=1, timeout=POLL)
        return [(lines[line], self._read(lines[line])) for line in ready]

    def _read(self, worker: Worker) -> ShardReport | Started | Death | BaseException:
        try:
            found = self._ray.get(worker.line)
        except self._ray.exceptions.RayError as error:
            self.end(worker)  # one that cannot be reached may live on, and hold its CPU
            return Death(describe_death(str(error)))
        if worker.is_up:
            return found
        self._failures = 0
        return Started()

    def fail_to_start(self, worker: Worker, why: str) -> None:
        """Ask for others, unless too many died in a row. Raises WriteFailed where none is left."""
        self._failures += 1
        if self._failures < STARTS * self.count:
            return
        self.count = len([one for one in self.workers if one.is_up])
        if not self.count:
            fix = "install Underdrawing with the same extras on all nodes, and look into Ray's logs"
            raise WriteFailed(f"workers die as they start ({why})", where=self._where, fix=fix)
        self.events.note(f"workers die as they start ({why}): {self.count} go on")

    def watch(self, now: float) -> None:
        """Look for actors that stall, or do not start. Raises WriteFailed where none is up for too long."""
        super().watch(now)
        starting = [worker.since for worker in self.workers if not worker.is_up]
        up = len(self.workers) - len(starting)
        if up or not starting:
            self._none_since = now
        if starting and now - min(starting) > NOTE_AFTER and not self._is_noted:
            self._is_noted = True
            self.events.note(f"Ray has started {up} of {self.count} workers; {self._describe_free()}")
        if now - self._none_since > self.patience:
            what = f"Ray has started none of {self.count} workers within {self.patience:g} seconds"
            fix = f"give fewer --workers ({self._describe_free()}), or add nodes"
            raise WriteFailed(what, where=self._where, fix=fix)

    def _describe_free(self) -> str:
        return f"{self._ray.available_resources().get('CPU', 0):g} CPUs of the cluster are free"

    def end(self, worker: Worker) -> None:
        """End an actor."""
        with suppress(Exception):
            self._ray.kill(worker.body)


def describe_death(text: str) -> str:
    """What Ray says of a death in its first line, and the cause, which is in its last."""
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip()] or ["no reason given"]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))
