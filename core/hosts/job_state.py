"""Progress in the state that A1111 and its relatives keep of their job, which their page shows and stops."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled
from ..progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator


class StateProgress(Progress):
    """Progress in the host's state, which its page shows and its Interrupt button stops.

    alone: whether no other job of the host is running, whose progress stays as it is.
    """

    def __init__(self, state: Any, *, alone: bool) -> None:
        super().__init__()
        self._state, self._alone = state, alone

    def check(self) -> None:
        """Raise Cancelled when the host's user pressed Interrupt or Skip."""
        super().check()
        if self._state.interrupted or self._state.skipped:
            raise Cancelled("interrupted")

    def show(self, done: int, total: int, message: str) -> None:
        """Move the bar."""
        if self._alone:
            self._state.job_count, self._state.job_no = max(total, 1), done
            self._state.textinfo = message or None


@contextmanager
def show_in_state(state: Any, title: str, total: int) -> Generator[Progress]:
    """Progress of one run: a job of its own, or inside a job of the host that is running only its way to be stopped."""
    if state.job or state.job_count > 0:
        yield StateProgress(state, alone=False)
        return
    state.begin(job=f"underdrawing: {title}")
    state.job_count = max(total, 1)
    try:
        yield StateProgress(state, alone=True)
    finally:
        state.end()
