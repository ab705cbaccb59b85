"""Next steps for names that do not exist: the nearest ones."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 3
LONGEST = 100
"""Characters of a typed name that are compared."""
NO_NAME = "none"
"""What hosts call the choice of nothing: never what somebody meant to type."""


def find_similar(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """Names like a typed one whatever the case of their letters, the nearest first, at most three.

    Where none is spelt alike, those that hold a word of it. cutoff: likeness of spelling that is needed, 0 to 1.

    >>> find_similar("Weigthed sum", ["add_difference", "weighted_sum"])
    ['weighted_sum']
    >>> find_similar("karras v2 by somebody", ["Karras", "Exponential"])
    ['Karras']
    """
    lowered: dict[str, str] = {}
    for known in names:
        if known.lower() == NO_NAME:
            continue
        lowered.setdefault(known.lower(), known)
    typed = name.lower()[:LONGEST]
    if near := difflib.get_close_matches(typed, lowered, n=MOST, cutoff=cutoff):
        return [lowered[known] for known in near]
    words = _split(typed)
    return [known for low, known in lowered.items() if words & _split(low)][:MOST]


def suggest_names(name: str, names: Iterable[str], listing: str, *, cutoff: float = 0.5) -> str:
    """What to write instead: the nearest names, or where all stand. listing: such as a command that lists them."""
    near = find_similar(name, names, cutoff=cutoff)
    return f"write {' or '.join(near)}" if near else f"{listing} lists them all"


def _split(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9+]+", text) if len(word) > 2}
