"""Recipes that differ in one thing each: methods, weights, presets of block weights."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from ..core.errors import BadParameter, UnknownName
from ..core.file_names import check_relative_name
from .block_presets import PRESETS
from .blocks import expand_weights
from .recipe import Apply, Cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .recipe import Node

MOST = 1000
"""Recipes of one sweep."""
_LARGEST, _LEAST = Decimal(1000), Decimal("1e-6")
_FIX = "write FROM:TO:STEP, such as 0:1:0.25, or numbers with commas between them"


class Point(NamedTuple):
    """One recipe of a sweep. name: of its files. alpha: None for a method without. preset: empty for none."""

    name: str
    method: str
    alpha: float | None
    preset: str


def read_values(text: str, *, where: str = "alpha") -> tuple[float, ...]:
    """Numbers of a range with both ends, or of a list. Raises BadParameter.

    >>> read_values("0:1:0.25"), read_values("0.3, 0.7"), read_values("1:0:0.5")
    ((0.0, 0.25, 0.5, 0.75, 1.0), (0.3, 0.7), (1.0, 0.5, 0.0))
    """
    parts = text.split(":")
    try:
        if len(parts) == 1:
            found = [_read_number(part) for part in text.split(",") if part.strip()]
        elif len(parts) == 3:
            first, last, step = map(_read_number, parts)
            found = _step_through(first, last, abs(step))
        else:
            raise ValueError("is neither a range nor a list")
        if not found:
            raise ValueError("holds no numbers")
    except (ArithmeticError, ValueError) as error:
        why = "is no number" if isinstance(error, ArithmeticError) else str(error)
        raise BadParameter(f"{text[:80]!r} {why}", where=where, fix=_FIX) from error
    return tuple(dict.fromkeys(float(value) for value in found))


def _read_number(text: str) -> Decimal:
    value = Decimal(text.strip())
    if not value.is_finite() or abs(value) > _LARGEST:
        raise ValueError("holds numbers without end")
    return value


def _step_through(first: Decimal, last: Decimal, step: Decimal) -> list[Decimal]:
    if step < _LEAST:
        raise ValueError("has no step that leads from one end to the other")
    count = int(abs(last - first) / step)
    if count >= MOST:
        raise ValueError(f"holds more than {MOST} numbers")
    sign = 1 if last >= first else -1
    return [first + sign * step * number for number in range(count + 1)]


def list_points(methods: Mapping[str, bool], alphas: tuple[float, ...], presets: tuple[str, ...]) -> list[Point]:
    """All combinations. methods: id → whether it has the weight alpha. Raises BadParameter for too many."""
    found: list[Point] = []
    for method, weighs in methods.items():
        for alpha, preset in itertools.product(alphas if weighs else (None,), presets if weighs else ("",)):
            words = (method, *(() if alpha is None else (f"{alpha:g}",)), *((preset,) if preset else ()))
            found.append(Point(_make_name(words), method, alpha, preset))
    if len(found) > MOST:
        raise BadParameter(f"asks for {len(found)} merges", where="sweep", fix=f"ask for at most {MOST}")
    return found


def _make_name(words: tuple[str, ...]) -> str:
    return check_relative_name(re.sub(r"[^\w.+-]", "_", "-".join(words)))


def apply_point(node: Node, point: Point, presets: Mapping[str, str], seed: int = 0) -> Node:
    """A recipe with a point's weights: alpha, and block weights times alpha. presets: by name, beside our own.

    A block or range (IN04-OUT05) has alpha itself; seed: of random weights. Raises UnknownName, BadParameter.
    """
    if isinstance(node, Cast):
        return replace(node, input=apply_point(node.input, point, presets, seed))
    if not isinstance(node, Apply) or point.alpha is None:
        return node
    known = {**PRESETS, **presets}
    blocks, rules = point.preset, ""
    if blocks in known:
        drawn, rules = expand_weights(known[blocks], {}, seed)
        blocks = ",".join(f"{float(value) * point.alpha:.10g}" for value in drawn.split(","))
    elif blocks and not re.fullmatch(r"[A-Z]+\d*(-[A-Z]+\d*)?", blocks):
        raise UnknownName(f"no preset is called {blocks!r}", where="preset", fix=f"use {', '.join(known)}")
    elements = ",".join(filter(None, (node.elements, rules)))
    params = {**node.params, "alpha": point.alpha}
    return replace(node, params=params, blocks=blocks or node.blocks, elements=elements)
