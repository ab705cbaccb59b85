"""Progress and cancellation."""

from __future__ import annotations

from threading import Thread

import pytest

from underdrawing.core.errors import Cancelled, UnderdrawingError
from underdrawing.core.progress import Progress


class Steps(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[int, int, str]] = []

    def show(self, done: int, total: int, message: str) -> None:
        self.shown.append((done, total, message))


def test_what_is_said_is_shown() -> None:
    progress = Steps()
    progress(1, 3)
    progress(2, 3, "writing")
    assert progress.shown == [(1, 3, ""), (2, 3, "writing")]


def test_another_thread_cancels_at_the_next_step_which_is_still_shown() -> None:
    progress = Steps()
    progress(1, 3)
    thread = Thread(target=progress.cancel)
    thread.start()
    thread.join()
    with pytest.raises(Cancelled) as caught:
        progress(2, 3)
    assert progress.shown[-1] == (2, 3, "")
    assert isinstance(caught.value, UnderdrawingError)
    with pytest.raises(Cancelled):
        progress.check()
