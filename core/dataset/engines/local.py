"""Shards over processes of this machine, one thread each. A process that dies costs only the shard it was at."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import deque
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from ..job import Job, ShardReport
    from ..rows import Shard
    from . import Events

    Work = Callable[[Job, Shard], ShardReport]

TRIES = 2
"""How often a shard is begun whose process dies."""


class Worker(msgspec.Struct):
    """A process, the way to it, and the shard it is at."""

    process: Any
    connection: Any
    shard: Shard | None = None


class LocalEngine:
    """One run. work: a function of a module, which every process imports for itself.

    stop: no more shards are begun; those at hand are finished.
    """

    def __init__(self, job: Job, shards: Sequence[Shard], work: Work, workers: int, events: Events) -> None:
        self.job, self.work, self.events, self.count = job, work, events, max(1, min(workers, len(shards)))
        self._waiting, self._tries = deque(shards), dict[str, int]()
        self._workers: list[Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._stopped = False

    def stop(self) -> None:
        """Begin no more shards."""
        self._stopped = True

    def run(self) -> None:
        """Run all shards. Raises the error of a shard that no other would survive either, after ending the rest."""
        try:
            while self._waiting or self._busy():
                try:
                    self._start_missing()
                    self._hand_out()
                    if not self._busy():
                        return
                    self._receive()
                except KeyboardInterrupt:
                    if self._stopped:
                        raise
                    self.stop()
                    self.events.stopped()
        finally:
            self._end()

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.shard is not None]

    def _start_missing(self) -> None:
        wanted = 0 if self._stopped else min(self.count, len(self._busy()) + len(self._waiting))
        while len(self._workers) < wanted:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=serve, args=(theirs, self.job, self.work), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(Worker(process, ours))

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.shard is None and self._waiting and not self._stopped:
                worker.shard = self._waiting.popleft()
                with suppress(OSError):  # it died while it was idle: `_receive` hears of it
                    worker.connection.send(worker.shard)

    def _receive(self) -> None:
        ready = wait([worker.connection for worker in self._busy()])
        for worker in self._busy():
            if worker.connection in ready:
                try:
                    answer = worker.connection.recv()
                except (EOFError, OSError):
                    self._bury(worker)
                    continue
                worker.shard = None
                if isinstance(answer, BaseException):
                    raise answer
                self.events.report(answer)

    def _bury(self, worker: Worker) -> None:
        """Try the shard of a process that died once more, then give it up."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        shard, code = worker.shard, worker.process.exitcode
        if shard is None:
            return
        self._tries[shard.name] = self._tries.get(shard.name, 0) + 1
        if self._tries[shard.name] < TRIES and not self._stopped:
            self._waiting.append(shard)
        elif self._tries[shard.name] >= TRIES:
            self.events.failed(shard, f"its process died {TRIES} times ({describe_exit(code)})")

    def _end(self) -> None:
        for worker in self._workers:
            if worker.shard is None:
                with suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers = []


def describe_exit(code: int | None) -> str:
    """Why a process ended, in words."""
    if code is not None and code < 0:
        name = next((one.name for one in signal.Signals if one == -code), str(-code))
        killer = ", as the system's memory killer sends it" if name == "SIGKILL" else ""
        return f"signal {name}{killer}"
    return f"exit code {code}"


def serve(connection: Connection, job: Job, work: Work) -> None:
    """Run the shards that come through a connection until None comes; Ctrl-C is left to whoever sends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while (shard := connection.recv()) is not None:
            try:
                connection.send(work(job, shard))
            except UnderdrawingError as error:
                connection.send(error)
            except Exception as error:  # noqa: BLE001 - it must reach the user, whatever it is
                connection.send(RuntimeError(f"shard {shard.name}: {type(error).__name__}: {error}"))


def limit_threads() -> None:
    """Let the libraries that this process has loaded use one thread."""
    for module, function in (("cv2", "setNumThreads"), ("torch", "set_num_threads")):
        if module in sys.modules:
            getattr(sys.modules[module], function)(1)
