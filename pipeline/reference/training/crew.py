"""Starts the processes of a step: this one, and as many more."""

from __future__ import annotations

import os
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from ....core.progress import Progress
from .parts import run_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import State
    from .parts import Settings


def run_together(step: str, settings: Settings, progress: Progress) -> State | None:
    """Do a step with all its workers; a worker on a CPU has one thread. Raises BadParameter, Cancelled."""
    (settings.folder / f"meeting_{step}").unlink(missing_ok=True)
    context = get_context("spawn")
    others = [
        context.Process(target=_help, args=(step, msgspec.structs.replace(settings, rank=rank)), daemon=True)
        for rank in range(1, settings.workers)
    ]
    for other in others:
        other.start()
    try:
        _limit_threads(settings)
        return run_step(step, settings, progress)
    finally:
        for other in others:
            other.terminate() if _is_left(step, other.exitcode) else other.join()


def _is_left(step: str, code: int | None) -> bool:
    """Whether a worker waits for the first one, which has stopped; renderers finish by themselves."""
    return code is None and step != "scenes"


def _help(step: str, settings: Settings) -> None:
    first = parent_process()
    assert first is not None
    Thread(target=leave_after, args=(first.sentinel, os._exit), daemon=True).start()
    _limit_threads(settings)
    run_step(step, settings, Progress())


def leave_after(sentinel: int, leave: Callable[[int], object]) -> None:
    """Wait until a process has ended, however it did, and leave: a killed first process would leave its workers."""
    wait([sentinel])
    leave(1)


def _limit_threads(settings: Settings) -> None:
    import torch

    if settings.workers > 1:
        torch.set_num_threads(1)
