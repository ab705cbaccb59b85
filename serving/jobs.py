"""Work that outlasts a request: jobs in threads, with progress, cancellation and results in parts."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import Cancelled, UnderdrawingError, UnknownName
from .errors import RequestRefused, describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})
MOST_WAITING = 32
"""Jobs that may be waiting or running at once."""
MOST_ENDED = 24
"""Jobs whose results are kept after their end."""
MOST_CHARACTERS = 2**29
"""Characters of pictures in the results that are kept; the last job's stay whatever their size."""
log = logging.getLogger("underdrawing")


class JobRecord:
    """One job: where it stands, its notes and its results so far. Every method may be called from any thread.

    heavy: whether it runs in the host's turn, and the host shows its progress.
    """

    def __init__(self, title: str, *, heavy: bool = False) -> None:
        self.id, self.title, self.state, self.heavy = secrets.token_hex(8), title, "waiting", heavy
        self.created, self.size = time.time(), 0
        self._progress: dict[str, Any] = {"title": "", "done": 0, "total": 0, "unit": "", "message": ""}
        self._notes: list[str] = []
        self._results: list[dict[str, Any]] = []
        self._failure: dict[str, object] | None = None
        self._stop, self._end, self._lock = threading.Event(), threading.Event(), threading.Lock()

    def begin(self) -> None:
        """Start it. Raises Cancelled where it was cancelled while it waited."""
        self.check()
        self.state = "running"

    def check(self) -> None:
        """Raise Cancelled once it was cancelled."""
        if self._stop.is_set():
            raise Cancelled("cancelled")

    def cancel(self) -> None:
        """Let it stop at its next step; one that waits ends at once."""
        self._stop.set()
        if self.state == "waiting":
            self.finish("cancelled")

    def finish(self, state: State, failure: UnderdrawingError | None = None) -> None:
        """End it, once."""
        with self._lock:
            if self.state in ENDED:
                return
            self.state = state
            self._failure = describe_error(failure) if failure is not None else None
        self._end.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        return self._end.wait(seconds)

    def move(self, **progress: Any) -> None:
        """Change what is said of the progress: title, done, total, unit, message."""
        with self._lock:
            self._progress.update(progress)

    def note(self, text: str) -> None:
        """Add a note, once."""
        with self._lock:
            if text not in self._notes:
                self._notes.append(text)

    def publish(self, result: dict[str, Any], size: int = 0) -> None:
        """Add a result. size: characters that it takes."""
        with self._lock:
            self._results.append(result)
            self.size += size

    def to_json(self, since: int | None = None) -> dict[str, Any]:
        """Where it stands; with the results from a number on, where one is given."""
        with self._lock:
            found = {
                **{"id": self.id, "title": self.title, "state": self.state, "created": self.created},
                **{"progress": dict(self._progress), "notes": list(self._notes), "failure": self._failure},
                "count": len(self._results),
            }
            return found if since is None else {**found, "results": self._results[max(0, since) :]}


class Jobs:
    """All jobs of a host. execute: runs a piece of work where the host wants heavy work to run, and waits for it."""

    def __init__(self, execute: Callable[[Callable[[], None]], None] = lambda work: work()) -> None:
        self._execute, self._jobs = execute, dict[str, JobRecord]()
        self._turn, self._lock = threading.Lock(), threading.Lock()

    def start(self, title: str, work: Callable[[JobRecord], None], *, heavy: bool) -> JobRecord:
        """Run work in a thread of its own. heavy: one after the other, where and when the host wants it.

        Raises RequestRefused when too many jobs wait.
        """
        job = JobRecord(title, heavy=heavy)
        with self._lock:
            if sum(one.state not in ENDED for one in self._jobs.values()) >= MOST_WAITING:
                fix = "wait for one to end, or cancel one"
                raise RequestRefused(f"{MOST_WAITING} jobs are waiting already", status=429, fix=fix)
            self._jobs[job.id] = job
            self._forget()
        run = self._run_in_turn if heavy else _run
        threading.Thread(target=run, args=(job, work), name=f"underdrawing {title}", daemon=True).start()
        return job

    def find(self, name: str) -> JobRecord:
        """A job by its id. Raises UnknownName."""
        with self._lock:
            if name in self._jobs:
                return self._jobs[name]
        raise UnknownName("there is no such job, or it is no longer kept", fix="start it again")

    def list_all(self) -> list[JobRecord]:
        """Jobs that are kept, the newest last."""
        with self._lock:
            return list(self._jobs.values())

    def _run_in_turn(self, job: JobRecord, work: Callable[[JobRecord], None]) -> None:
        with self._turn:
            if job.state in ENDED:
                return
            try:
                self._execute(lambda: _run(job, work))
            except Exception as error:  # noqa: BLE001 - the host's own way of running work failed
                _report(job, error)
        job.finish("failed", UnderdrawingError("the host did not run the job"))

    def _forget(self) -> None:
        """Drop the oldest ended jobs beyond what is kept."""
        ended = [job for job in self._jobs.values() if job.state in ENDED]
        while len(ended) > 1 and (len(ended) > MOST_ENDED or sum(job.size for job in ended) > MOST_CHARACTERS):
            del self._jobs[ended.pop(0).id]


def _run(job: JobRecord, work: Callable[[JobRecord], None]) -> None:
    try:
        job.begin()
        work(job)
        job.finish("done")
    except Cancelled:
        job.finish("cancelled")
    except UnderdrawingError as error:
        job.finish("failed", error)
    except Exception as error:  # noqa: BLE001 - a job's fault is the job's result
        _report(job, error)


def _report(job: JobRecord, error: Exception) -> None:
    """End a job by a fault of ours or of the host's; its trace goes to the log."""
    log.warning("underdrawing: %s failed", job.title, exc_info=error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    job.finish("failed", UnderdrawingError(what, fix="look into the host's log, and report it"))
