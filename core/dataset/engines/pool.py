"""Shards over workers, whatever these are: hands out, retries what a dead or stalled worker was at, stops."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import FetchFailed, UnderdrawingError, WriteFailed
from ..job import NameTaken, ShardReport
from .progress import measure_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..job import Job
    from ..rows import Shard
    from . import Events

    Work = Callable[[Job, Shard], ShardReport]

POLL = 1.0
"""Seconds that an engine waits for answers at a time."""
TRIES = 2
"""How often a shard is begun whose worker dies or stalls, or whose input cannot be fetched."""
PATIENCE = 900.0
"""Seconds without progress after which a worker counts as stalled."""


class Worker(msgspec.Struct, eq=False):
    """A worker, and the shard it is at. body: what runs it; line: through which it answers.

    progress: what it had done when that was last looked at, and since: when this was new.
    """

    body: Any
    line: Any
    is_up: bool = True
    shard: Shard | None = None
    progress: int = 0
    since: float = 0.0


class Started(msgspec.Struct, frozen=True):
    """The answer of a worker that is up."""


class Death(msgspec.Struct, frozen=True):
    """The answer of a worker that died. why: in words."""

    why: str


class Pool(ABC):
    """One run. work: a function of a module, which every worker imports for itself.

    patience: seconds without progress after which a worker counts as stalled.
    """

    def __init__(
        self,
        job: Job,
        shards: Sequence[Shard],
        work: Work,
        workers: int,
        events: Events,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job, self.work, self.events, self.count = job, work, events, max(1, min(workers, len(shards)))
        self.patience, self.clock = patience, clock
        self.workers: list[Worker] = []
        self._waiting, self._tries = deque(shards), dict[str, int]()
        self._is_stopped = False
        self._watched = -POLL  # when progress was last looked at

    @abstractmethod
    def start(self) -> Worker:
        """Start a worker, or ask for one that answers when it is up."""

    @abstractmethod
    def send(self, worker: Worker, shard: Shard) -> None:
        """Give a shard to a worker that is idle; one that has died is reported by `receive`."""

    @abstractmethod
    def receive(self, busy: Sequence[Worker]) -> list[tuple[Worker, ShardReport | Started | Death | BaseException]]:
        """Answers of workers that start or are at a shard; waits a while for the first."""

    @abstractmethod
    def end(self, worker: Worker) -> None:
        """End a worker, at once if it is at a shard."""

    def fail_to_start(self, worker: Worker, why: str) -> None:
        """A worker died before it was up, and is left out. Raises WriteFailed where none can be had."""
        raise WriteFailed(
            f"workers die as they start ({why})", where=self.job.destination, fix="run with fewer --workers"
        )

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
            busy = [worker for worker in self.workers if worker.shard is not None or not worker.is_up]
            for worker, answer in self.receive(busy) if busy else ():
                self._take(worker, answer)
            if (now := self.clock()) - self._watched >= POLL:
                self._watched = now
                self.watch(now)
            self.events.tick()
            is_busy = any(worker.shard is not None for worker in self.workers)
            return is_busy or (bool(self._waiting) and not self._is_stopped)
        except KeyboardInterrupt:
            if self._is_stopped:
                raise
            self.stop()
            self.events.stopped()
            return True

    def _hand_out(self) -> None:
        free = sum(worker.shard is None for worker in self.workers)
        for _ in range(min(self.count - len(self.workers), len(self._waiting) - free)):
            self.workers.append(self.start())
            self.workers[-1].since = self.clock()
        for worker in self.workers:
            if self._waiting and worker.is_up and worker.shard is None:
                worker.shard, worker.progress, worker.since = self._waiting.popleft(), 0, self.clock()
                self.send(worker, worker.shard)

    def _take(self, worker: Worker, answer: ShardReport | Started | Death | BaseException) -> None:
        if isinstance(answer, Started):
            worker.is_up = True
            return
        shard, worker.shard = worker.shard, None
        if isinstance(answer, ShardReport):
            self.events.report(answer)
        elif shard is not None and isinstance(answer, FetchFailed):
            self._try_again(shard, str(answer))
        elif shard is not None and isinstance(answer, NameTaken):
            self.events.failed(shard, str(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            self.workers.remove(worker)
            if shard is not None:
                self._try_again(shard, f"its process died ({answer.why})")
            else:
                self.fail_to_start(worker, answer.why)

    def watch(self, now: float) -> None:
        """End workers that are at a shard and make no progress; another begins the shard anew."""
        for worker in list(self.workers):
            if (shard := worker.shard) is None:
                continue
            progress = measure_progress(self.job, shard)
            if progress != worker.progress:
                worker.progress, worker.since = progress, now
            elif now - worker.since > self.patience:
                self.workers.remove(worker)
                self.end(worker)
                self._try_again(shard, f"it made no progress for {self.patience:g} seconds")

    def _try_again(self, shard: Shard, reason: str) -> None:
        self._tries[shard.name] = tries = self._tries.get(shard.name, 0) + 1
        if tries < TRIES:
            self._waiting.append(shard)
        else:
            self.events.failed(shard, f"{reason}, and was tried {TRIES} times")


def answer(job: Job, shard: Shard, work: Work) -> ShardReport | BaseException:
    """What a worker answers: a report, or the error that ends the run."""
    try:
        return work(job, shard)
    except UnderdrawingError as error:
        return error
    except Exception as error:  # noqa: BLE001 - it must reach the user, whatever it is
        return RuntimeError(f"shard {shard.name}: {type(error).__name__}: {error}")
