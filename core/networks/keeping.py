"""What is kept of costly things that were loaded: a few of each kind, until `unload`."""

from __future__ import annotations

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    T = TypeVar("T")

_kept: dict[str, OrderedDict[Hashable, Any]] = {}
_lock = RLock()


def load_once(kind: str, key: Hashable, load: Callable[[], T], *, most: int) -> T:
    """What `load` gives, which runs once for a key as long as it is among the last of its kind.

    most: how many of the kind are kept. The oldest goes before a new one is loaded, so that both need not fit at once.
    """
    with _lock:
        entries = _kept.setdefault(kind, OrderedDict())
        if key not in entries:
            while len(entries) >= most:
                entries.popitem(last=False)
            entries[key] = load()
        entries.move_to_end(key)
        return entries[key]


def forget_all() -> None:
    """Forget everything that is kept."""
    with _lock:
        _kept.clear()
