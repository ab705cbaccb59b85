"""What a run has to say, handed to the browser with its node's outputs: notes that went through the host's hooks."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..core.hooks import collect_notes, is_collecting

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "underdrawing"
"""Name of our own part of what a node hands to the browser; the script in web reads it."""


def report_notes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A node's function whose notes go to the browser; of functions that call each other, with the outermost."""

    @wraps(function)
    def run(*args: Any, **values: Any) -> Any:
        if is_collecting():
            return function(*args, **values)
        with collect_notes() as notes:
            answer = function(*args, **values)
        return _with_notes(answer, notes)

    return run


def _with_notes(answer: Any, notes: list[str]) -> Any:
    if not notes:
        return answer
    whole = answer if isinstance(answer, dict) else {"result": answer}
    own = {KEY: [{"level": "note", "text": note} for note in notes]}
    return {**whole, "ui": {**whole.get("ui", {}), **own}}
