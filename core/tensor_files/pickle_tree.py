"""Makes sure that data read from a file can be walked: finite, not too deep, made of plain values only."""

from __future__ import annotations

from typing import Any

from ..errors import BadWeights, UnsafeFile
from .pickle_interpreter import NOTHING_RAN, describe

MAX_DEPTH = 100
MAX_ITEMS = 10_000_000
"""How many values the data may hold when every shared part is counted where it stands."""


def weigh(value: Any, leaves: tuple[type, ...], where: str) -> None:
    """Make sure data is a finite tree of plain containers and leaves that can be walked.

    Raises BadWeights for cycles, more than MAX_DEPTH levels, or more than MAX_ITEMS values once sharing is unfolded,
    and UnsafeFile for any other object.
    """
    sizes: dict[int, int] = {}
    path: list[tuple[Any, list[Any]]] = []
    open_: set[int] = set()

    def enter(item: Any) -> None:
        if len(path) >= MAX_DEPTH or id(item) in open_:
            raise BadWeights(f"holds data nested more than {MAX_DEPTH} levels deep, or in itself", where=where)
        path.append((item, _children(item)))
        open_.add(id(item))
        sizes[id(item)] = 1

    enter([value])
    while path:
        item, rest = path[-1]
        if not rest:
            path.pop()
            open_.discard(id(item))
            if path:
                sizes[id(path[-1][0])] += sizes[id(item)]
            continue
        child = rest.pop()
        if not isinstance(child, (list, tuple, dict, set, frozenset)):
            if not isinstance(child, leaves):
                raise UnsafeFile(f"leaves a {describe(child)} in its data", where=where, fix=NOTHING_RAN)
            sizes[id(item)] += 1
        elif id(child) in sizes and id(child) not in open_:
            sizes[id(item)] += sizes[id(child)]
        else:
            enter(child)
        if sizes[id(item)] > MAX_ITEMS:
            raise BadWeights(f"unfolds to more than {MAX_ITEMS} values", where=where)


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]  # type: ignore[misc]
    return list(item)
