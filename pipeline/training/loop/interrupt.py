"""Ctrl-C during a run: it is answered between two steps, where nothing is half done; a second one at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Interrupt:
    """Block in which SIGINT waits until `check`. Off the main thread, which alone gets signals, it does nothing."""

    def __init__(self) -> None:
        self._pending = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raise KeyboardInterrupt when Ctrl-C was pressed."""
        if self._pending:
            raise KeyboardInterrupt

    def _take(self, _: int, __: FrameType | None) -> None:
        if self._pending:
            raise KeyboardInterrupt
        self._pending = True
