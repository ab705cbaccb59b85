"""What a run has to say, handed to the browser with its node's outputs: notes that went through the host's hooks."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

KEY = "underdrawing"
"""Name of our own part of what a node hands to the browser; the script in web reads it."""
_current: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def add_note(text: str) -> None:
    """Keep a note for the node that is running, if one is."""
    notes = _current.get()
    if notes is not None and text not in notes:
        notes.append(text)


@contextmanager
def _collect() -> Generator[list[str]]:
    notes: list[str] = []
    token = _current.set(notes)
    try:
        yield notes
    finally:
        _current.reset(token)


def report_notes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A node's function whose notes go to the browser; of functions that call each other, with the outermost."""

    @wraps(function)
    def run(*args: Any, **values: Any) -> Any:
        if _current.get() is not None:
            return function(*args, **values)
        with _collect() as notes:
            answer = function(*args, **values)
        return _with_notes(answer, notes)

    return run


def _with_notes(answer: Any, notes: list[str]) -> Any:
    if not notes:
        return answer
    whole = answer if isinstance(answer, dict) else {"result": answer}
    own = {KEY: [{"level": "note", "text": note} for note in notes]}
    return {**whole, "ui": {**whole.get("ui", {}), **own}}
