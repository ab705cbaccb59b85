"""Shards over workers, whatever these are: hands out, retries what a dying worker was at, stops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import FetchFailed, UnderdrawingError
from ..job import ShardReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..job import Job
    from ..rows import Shard
    from . import Events

    Work = Callable[[Job, Shard], ShardReport]

POLL = 1.0
"""Seconds that an engine waits for answers at a time."""
TRIES = 2
"""How often a shard is begun whose worker dies, or whose input cannot be fetched."""


class Worker(msgspec.Struct, eq=False):
    """A worker, and the shard it is at. body: what runs it; line: through which it answers."""

    body: Any
    line: Any
    shard: Shard | None = None


class Death(msgspec.Struct, frozen=True):
    """The answer of a worker that died. why: in words."""

    why: str


class Pool(ABC):
    """One run. work: a function of a module, which every worker imports for itself."""

    def __init__(self, job: Job, shards: Sequence[Shard], work: Work, workers: int, events: Events) -> None:
        self.job, self.work, self.events, self.count = job, work, events, max(1, min(workers, len(shards)))
        self.workers: list[Worker] = []
        self._waiting, self._tries = deque(shards), dict[str, int]()
        self._is_stopped = False

    @abstractmethod
    def start(self) -> Worker:
        """Start a worker."""

    @abstractmethod
    def send(self, worker: Worker, shard: Shard) -> None:
        """Give a shard to a worker that is idle; one that has died is reported by `receive`."""

    @abstractmethod
    def receive(self, busy: Sequence[Worker]) -> list[tuple[Worker, ShardReport | Death | BaseException]]:
        """Answers of workers; waits a while for the first."""

    @abstractmethod
    def end(self, worker: Worker) -> None:
        """End a worker, at once if it is at a shard."""

    def stop(self) -> None:
        """Begin no more shards; those at hand are finished."""
        self._is_stopped = True

    def run(self) -> None:
        """Run all shards. Raises the error of a shard that no other would survive either, after ending the rest."""
        try:
            while self._step():
                pass
        finally:
            for worker in self.workers:
                self.end(worker)
            self.workers = []

    def _step(self) -> bool:
        """Hand out and receive; whether anything is left to do. The first Ctrl-C stops, another ends at once."""
        try:
            if not self._is_stopped:
                self._hand_out()
            busy = [worker for worker in self.workers if worker.shard is not None]
            for worker, answer in self.receive(busy) if busy else ():
                self._take(worker, answer)
            self.events.tick()
            return bool(busy) or (bool(self._waiting) and not self._is_stopped)
        except KeyboardInterrupt:
            if self._is_stopped:
                raise
            self.stop()
            self.events.stopped()
            return True

    def _hand_out(self) -> None:
        idle = [worker for worker in self.workers if worker.shard is None]
        while self._waiting and (idle or len(self.workers) < self.count):
            if not idle:
                idle.append(self.start())
                self.workers.append(idle[-1])
            worker = idle.pop()
            worker.shard = self._waiting.popleft()
            self.send(worker, worker.shard)

    def _take(self, worker: Worker, answer: ShardReport | Death | BaseException) -> None:
        shard, worker.shard = worker.shard, None
        if isinstance(answer, ShardReport):
            self.events.report(answer)
        elif shard is not None and isinstance(answer, FetchFailed):
            self._try_again(shard, str(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            self.workers.remove(worker)
            if shard is not None:
                self._try_again(shard, f"its process died {TRIES} times ({answer.why})")

    def _try_again(self, shard: Shard, reason: str) -> None:
        self._tries[shard.name] = tries = self._tries.get(shard.name, 0) + 1
        if tries < TRIES:
            self._waiting.append(shard)
        else:
            self.events.failed(shard, reason)


def answer(job: Job, shard: Shard, work: Work) -> ShardReport | BaseException:
    """What a worker answers: a report, or the error that ends the run."""
    try:
        return work(job, shard)
    except UnderdrawingError as error:
        return error
    except Exception as error:  # noqa: BLE001 - it must reach the user, whatever it is
        return RuntimeError(f"shard {shard.name}: {type(error).__name__}: {error}")
