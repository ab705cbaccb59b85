"""Where a long run stands, and how it is stopped: one object under every host's bar.

>>> class Lines(Progress):
...     def show(self, done: int, total: int, message: str) -> None:
...         print(f"{done}/{total} {message}".rstrip())
>>> progress = Lines()
>>> progress(1, 2)
1/2
>>> progress.cancel()
>>> progress.check()
Traceback (most recent call last):
underdrawing.Cancelled: cancelled
"""

from __future__ import annotations

from threading import Event

from .errors import Cancelled


class Progress:
    """Progress of one run. This base shows nothing; hosts override `show` and, if they can be interrupted, `check`.

    It is called like a function, `progress(done, total)`, between two units of work (a picture, a module, a block of
    bytes), which is also where a run stops. total is 0 where it is not known.
    """

    def __init__(self) -> None:
        self._cancelled = Event()

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Say how many of how many units are done. Raises what `check` raises."""
        self.show(done, total, message)
        self.check()

    def cancel(self) -> None:
        """Let the run stop at its next step; may be called from another thread."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise Cancelled (or the host's own exception) when the run is to stop."""
        if self._cancelled.is_set():
            raise Cancelled("cancelled")

    def show(self, done: int, total: int, message: str) -> None:
        """Show the state."""

    def log(self, text: str) -> None:
        """Show a line that the user should see while the run goes on."""
