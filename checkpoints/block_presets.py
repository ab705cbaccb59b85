"""Presets of block weights for merges: 26 values, BASE, IN00-IN11, MID, OUT00-OUT11.

The shapes that supermerger's users know by these names, written as formulas over the blocks, and a few of our own.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..core.errors import BadParameter
from ..core.similar_names import find_similar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

COUNTS = "12, 17, 20, 21, 26 or 27 values (61 for Flux, 110 for SDXL)"
"""Of block weights of models with a UNet, for messages."""
_SIDE = 12
_STEPS = 2 * _SIDE


def _follow(curve: Callable[[float], float], base: float = 0.0) -> str:
    """A curve over IN00 to OUT11, from 0 to 1."""
    return _join([base, *(curve(step / _STEPS) for step in range(_STEPS + 1))])


def _mirror(weigh: Callable[[int], float]) -> str:
    """By the distance from the middle: 0 for MID, 12 for IN00 and OUT11."""
    return _join([0, *(weigh(abs(step - _SIDE)) for step in range(_STEPS + 1))])


def _join(values: Sequence[float]) -> str:
    return ",".join(f"{round(value, 10):.10g}" for value in values)


def _smooth(x: float) -> float:
    return x * x * (3 - 2 * x)


def _fold(x: float) -> float:
    """Up from 0 to 1 and down again, over and over."""
    return 1 - abs(1 - x % 2)


def _fall(x: float) -> float:
    return (1 + math.cos(math.pi * x)) / 2


def _bend(x: float) -> float:
    """Steep at both ends, flat between."""
    return x * (25 / 6 + x * (x * 19 / 3 - 19 / 2))


def _bend_late(x: float) -> float:
    return 1 / 24 + x * (25 / 6 + x * (x * 77 / 12 - 77 / 8)) if x else 0.0


def _turn(curve: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: 1 - curve(x)


def _repeat(count: int) -> Callable[[float], float]:
    return lambda x: _fold(count * _smooth(x))


def _share(count: int) -> Callable[[float], float]:
    return lambda x: _smooth(_fold(count * x))


PRESETS = {
    "ALL_A": _follow(lambda _: 0),
    "ALL_B": _follow(lambda _: 1, 1),
    "FLAT_25": _follow(lambda _: 0.25),
    "FLAT_50": _follow(lambda _: 0.5),
    "FLAT_75": _follow(lambda _: 0.75),
    "GRAD_V": _mirror(lambda far: far / _SIDE),
    "GRAD_A": _mirror(lambda far: 1 - far / _SIDE),
    **{f"WRAP{2 * n:02}": _mirror(lambda far, n=n: far > _SIDE - n) for n in (2, 4, 6, 7, 8)},
    "MID12": _mirror(lambda far: far <= 6),
    "MID12_50": _follow(lambda x: 0.5 * (5 <= round(x * _STEPS) < 19)),
    "RING08": _mirror(lambda far: 5 <= far <= 8),
    "RING08_SOFT": _mirror(lambda far: {3: 0.5, 4: 1, 5: 1, 6: 1, 7: 0.5}.get(far, 0)),
    "RING08_5": _mirror(lambda far: 3 <= far <= 6),
    "RING10_5": _mirror(lambda far: 3 <= far <= 7),
    "RING10_3": _mirror(lambda far: 2 <= far <= 6),
    "IN12": _follow(lambda x: x < 0.5),
    "OUT07": _follow(lambda x: round(x * _STEPS) > 17),
    "OUT12": _follow(lambda x: x > 0.5),
    "OUT12_5": _follow(lambda x: 0.5 if x == 0.5 else x > 0.5),
    "SMOOTHSTEP": _follow(_smooth),
    "REVERSE_SMOOTHSTEP": _follow(_turn(_smooth)),
    "REVERSE-SMOOTHSTEP": _follow(_turn(_smooth)),
    **{f"SMOOTHSTEP*{n}": _follow(_repeat(n)) for n in (2, 3, 4)},
    **{f"R_SMOOTHSTEP*{n}": _follow(_turn(_repeat(n))) for n in (2, 3, 4)},
    **{f"SMOOTHSTEP/{n}": _follow(_share(n)) for n in (2, 3, 4)},
    **{f"R_SMOOTHSTEP/{n}": _follow(_turn(_share(n))) for n in (2, 3, 4)},
    "COSINE": _follow(_fall),
    "REVERSE_COSINE": _follow(_turn(_fall)),
    "TRUE_CUBIC_HERMITE": _follow(_bend_late),
    "TRUE_REVERSE_CUBIC_HERMITE": _follow(_turn(_bend_late)),
    "FAKE_CUBIC_HERMITE": _follow(_bend),
    "FAKE_REVERSE_CUBIC_HERMITE": _follow(_turn(_bend)),
    "ALL_R": _join([0] * 26).replace("0", "R"),
    "ALL_U": _join([0] * 26).replace("0", "U"),
    "ALL_X": _join([0] * 26).replace("0", "X"),
}


@contextmanager
def explain_blocks(
    text: str, presets: Collection[str], title: str, where: str, counts: str = COUNTS
) -> Generator[None]:
    """Errors in block weights or rules under the name of their field in a merge. presets: names that may be written
    instead; title: of the family; counts: of values that it takes. Raises BadParameter.
    """
    try:
        yield
    except BadParameter as error:
        option = f"--{where.replace('_', '-')}"
        if where == "elements" or " values, or one of " not in error.fix:
            raise BadParameter(error.what, where=where, fix=f"{error.fix} (in {option})") from error
        count = text.count(",") + 1
        what = f"{count} block weights were given, and this is {title}"
        if count == 1:
            what = f"{text[:80]!r} is no preset, block or range of blocks of {title}"
        near = find_similar(text, presets)
        choice = f"write {option} {' or '.join(near)}, " if count == 1 and near else f"write in {option} "
        fix = f"{choice}{'or ' if near and count == 1 else ''}{counts}"
        names = f", or one of the presets {', '.join(presets)}" if presets else ""
        raise BadParameter(what, where=where, fix=fix + names) from error
