"""Sizes written as sums of a model's numbers, such as 3d+m, and what follows for them from a weight's shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Size = tuple[tuple[int, str], ...]
"""Terms of a sum: factor and number's name, "" for 1."""
_TERM = re.compile(r"(\d*)([a-z]*)")


def read_size(text: str) -> Size:
    """Terms of a size: "3d+m" → ((3, "d"), (1, "m"))."""
    found = [_TERM.fullmatch(term) for term in text.split("+")]
    if not all(term is not None and term[0] for term in found):
        raise ValueError(f"{text!r} is no size")
    return tuple((int(term[1] or 1), term[2]) for term in found if term is not None)


def compute_size(size: Size, numbers: Mapping[str, int]) -> int:
    """The size in a model of these numbers."""
    return sum(factor * (numbers[name] if name else 1) for factor, name in size)


def solve_sizes(sizes: Sequence[Size], values: Sequence[int]) -> dict[str, int] | None:
    """Numbers by which the sizes have the values; None where they contradict each other or leave more than one open."""
    numbers: dict[str, int] = {}
    for size, value in sorted(zip(sizes, values, strict=True), key=lambda pair: len(pair[0])):
        rest = value - sum(factor * (numbers[name] if name else 1) for factor, name in size if name in {*numbers, ""})
        unknown: dict[str, int] = {}
        for factor, name in size:
            if name and name not in numbers:
                unknown[name] = unknown.get(name, 0) + factor
        if len(unknown) > 1 or (not unknown and rest):
            return None
        for name, factor in unknown.items():
            if rest <= 0 or rest % factor:
                return None
            numbers[name] = rest // factor
    return numbers
