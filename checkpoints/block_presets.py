"""Presets of block weights for merges: 26 values, BASE, IN00-IN11, MID, OUT00-OUT11.

Shapes under names that users of block merges know; the numbers are our own.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from ..core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RANDOM = {"R": (0.0, 1.0), "U": (-0.5, 1.5)}
"""Random weights of supermerger's presets, by their letters: lowest and highest."""
UNKNOWN_RANDOM = ("X", "D", "E")
_SIDE = 12
_STEPS = 2 * _SIDE


def _mirror(side: Sequence[float], middle: float) -> str:
    """The way down, the middle, and the same way up again; BASE is 0."""
    return _join([0, *side, middle, *reversed(side)])


def _follow(curve: Callable[[float], float]) -> str:
    """A curve over IN00 to OUT11, from 0 to 1; BASE is 0."""
    return _join([0, *(curve(step / _STEPS) for step in range(_STEPS + 1))])


def _join(values: Sequence[float]) -> str:
    return ",".join(f"{round(value, 6):g}" for value in values)


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


def _wave(x: float) -> float:
    return (1 + math.cos(2 * math.pi * x)) / 2


_RISE = [step / _SIDE for step in range(_SIDE)]
PRESETS = {
    "ALL_A": _join([0] * 26),
    "ALL_B": _join([1] * 26),
    "FLAT_25": _join([0.25] * 26),
    "FLAT_50": _join([0.5] * 26),
    "FLAT_75": _join([0.75] * 26),
    "GRAD_V": _mirror([1 - x for x in _RISE], 0),
    "GRAD_A": _mirror(_RISE, 1),
    "WRAP04": _mirror([1] * 4 + [0] * 8, 0),
    "WRAP08": _mirror([1] * 8 + [0] * 4, 0),
    "WRAP12": _mirror([1] * 12, 0),
    "MID12": _mirror([0] * 6 + [1] * 6, 1),
    "RING08": _mirror([0] * 4 + [1] * 4 + [0] * 4, 0),
    "IN12": _join([0] + [1] * 12 + [0] * 13),
    "OUT12": _join([0] * 14 + [1] * 12),
    "SMOOTHSTEP": _follow(_smooth),
    "REVERSE_SMOOTHSTEP": _follow(lambda x: 1 - _smooth(x)),
    "COSINE": _follow(_wave),
    "REVERSE_COSINE": _follow(lambda x: 1 - _wave(x)),
}


def expand_weights(text: str, presets: Mapping[str, str], seed: int) -> str:
    """Block weights as a recipe can repeat them without the file of the presets: their numbers, random ones drawn.

    R is drawn from 0 to 1, U from -0.5 to 1.5, by the seed and the place in the list. Raises BadParameter for the
    letters whose limits stand in supermerger's window (X, D, E).

    >>> expand_weights("own", {"own": "0,0.5,1"}, 0), expand_weights("GRAD_V", {}, 0), expand_weights("0,R,U", {}, 1)
    ('0,0.5,1', 'GRAD_V', '0,0.007973,1.43047')
    """
    values = [value.strip() for value in presets.get(text, text).split(",")]
    if len(values) == 1:
        return text
    if unknown := next((value for value in values if value.startswith(UNKNOWN_RANDOM)), None):
        what = f"{unknown} asks for a random weight whose limits stand in supermerger's window"
        raise BadParameter(what, where="blocks", fix="write numbers, R (0 to 1) or U (-0.5 to 1.5)")
    return ",".join(_draw(RANDOM[v], seed, n) if v in RANDOM else v for n, v in enumerate(values))


def _draw(limits: tuple[float, float], seed: int, place: int) -> str:
    digest = hashlib.sha256(f"{seed} {place}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return f"{round(limits[0] + share * (limits[1] - limits[0]), 6):g}"
