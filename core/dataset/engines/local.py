"""Shards over processes of this machine, one thread each. A process that dies costs only the shard it was at."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from .pool import POLL, Death, Pool, Worker, answer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from multiprocessing.connection import Connection

    from ..job import Job, ShardReport
    from ..rows import Shard
    from .pool import Started, Work


class LocalEngine(Pool):
    """Processes that are started anew, not forked: threads and networks of this process are not theirs."""

    def start(self) -> Worker:
        """Start a process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.job, self.work), daemon=True)
        with _ignore_interrupts():  # else a Ctrl-C would end it while it imports
            process.start()
        theirs.close()
        return Worker(process, ours)

    def send(self, worker: Worker, shard: Shard) -> None:
        """Send a shard through the pipe."""
        with suppress(OSError):
            worker.line.send(shard)

    def receive(self, busy: Sequence[Worker]) -> list[tuple[Worker, ShardReport | Started | Death | BaseException]]:
        """Wait a while for answers, and for processes that end."""
        ready = wait([worker.line for worker in busy], POLL)
        return [(worker, self._read(worker)) for worker in busy if worker.line in ready]

    def _read(self, worker: Worker) -> ShardReport | Death | BaseException:
        try:
            return worker.line.recv()
        except (EOFError, OSError):
            worker.body.join()
            worker.line.close()
            return Death(describe_exit(worker.body.exitcode))

    def end(self, worker: Worker) -> None:
        """Let an idle process go, and end one that is at a shard."""
        if worker.shard is None:
            with suppress(OSError):
                worker.line.send(None)
        else:
            worker.body.kill()  # one that is halted does not take SIGTERM
        worker.body.join()
        worker.line.close()


@contextmanager
def _ignore_interrupts() -> Generator[None]:
    """Let processes that are started here ignore Ctrl-C from their first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
            connection.send(answer(job, shard, work))


def limit_threads() -> None:
    """Let the libraries that this process has loaded use one thread."""
    for module, function in (("cv2", "setNumThreads"), ("torch", "set_num_threads")):
        if module in sys.modules:
            getattr(sys.modules[module], function)(1)
