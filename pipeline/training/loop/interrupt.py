"""Ctrl-C and SIGTERM during a run: answered between two steps, where nothing is half done; a second one at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Interrupt:
    """Block in which SIGINT and SIGTERM wait until `check`.

    They become KeyboardInterrupt, with the signal's number where that is not SIGINT. Off the main thread, which alone
    gets signals, it does nothing.
    """

    def __init__(self) -> None:
        self._pending = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def check(self) -> None:
        """Raise KeyboardInterrupt when a signal came."""
        if self._pending:
            raise _make_error(self._pending)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._pending:
            raise _make_error(number)
        self._pending = number


def _make_error(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else KeyboardInterrupt(number)
