"""Functions of a host that are called through ours."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_wrapped: list[tuple[Any, str]] = []


def wrap(owner: Any, name: str, function: Callable[..., Any]) -> None:
    """Let an owner's function be called through ours, which gets it before its arguments.

    Once, however often a host loads its scripts; what others wrapped since then stays.
    """
    if any(held is owner and what == name for held, what in _wrapped):
        return
    _wrapped.append((owner, name))
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **named: Any) -> Any:
        return function(original, *args, **named)

    setattr(owner, name, wrapped)
