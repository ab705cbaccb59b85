"""Weights drawn by chance: supermerger's letters in lists of block weights and in rules for elements.

R is drawn from 0 to 1, U from -0.5 to 1.5, X from a lower to an upper limit, D around the upper one, in a width of the
lower one. E before R, U or X draws for every weight of a block. A recipe holds what was drawn: numbers, and in rules
``LOW~HIGH@SEED``, from which every weight draws by its key.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from ..adapters.prompts.numbers import parse_number
from ..core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS = re.compile(r"E?[RUX]|D")
_SPREAD = re.compile(r"(?P<low>[^~@]+)~(?P<high>[^~@]+)@(?P<seed>\d{1,20})")
_FIX = "write numbers, R, U, X, D, or E before R, U or X"


class Limits(NamedTuple):
    """Limits of X and D: one for all places of a list, or one for each."""

    lower: tuple[float, ...] = (0.0,)
    upper: tuple[float, ...] = (1.0,)

    def find(self, letter: str, place: int, count: int) -> tuple[float, float]:
        """Lowest and highest weight of a letter at a place of a list. Raises BadParameter."""
        if letter == "R":
            return 0.0, 1.0
        if letter == "U":
            return -0.5, 1.5
        low, high = (self._choose(name, place, count) for name in ("lower", "upper"))
        return (low, high) if letter == "X" else (high - low / 2, high + low / 2)

    def _choose(self, name: str, place: int, count: int) -> float:
        values: tuple[float, ...] = getattr(self, name)
        if len(values) not in (1, count):
            what = f"has {len(values)} numbers for {count} weights"
            raise BadParameter(what, where=name, fix="give one number, or as many as there are weights")
        return values[place % len(values)]


def read_limits(lower: str, upper: str) -> Limits:
    """Limits as texts have them: numbers with commas between them. Raises BadParameter."""
    return Limits(
        *(
            tuple(parse_number(v.strip(), where=n) for v in text.split(","))
            for n, text in (("lower", lower), ("upper", upper))
        )
    )


class Spread(NamedTuple):
    """What every weight of a rule draws from."""

    low: float
    high: float
    seed: int

    def draw(self, key: str) -> float:
        """A weight by its key: the same in any order and process."""
        return _draw((self.low, self.high), f"{self.seed} {key}")

    def __str__(self) -> str:
        return f"{self.low:g}~{self.high:g}@{self.seed}"


def read_spread(text: str) -> Spread | None:
    """``LOW~HIGH@SEED``; None for anything else. Raises BadParameter for what is no number in it.

    >>> read_spread("-0.5~1.5@7"), read_spread("0.5")
    (Spread(low=-0.5, high=1.5, seed=7), None)
    """
    found = _SPREAD.fullmatch(text.strip())
    if found is None:
        return None
    low, high = (parse_number(found[name].strip(), where="elements") for name in ("low", "high"))
    return Spread(low, high, int(found["seed"]))


def is_random(text: str) -> bool:
    """Whether a weight of a list is a letter."""
    return _LETTERS.fullmatch(text.strip()) is not None


def check_weight(text: str, *, where: str) -> None:
    """Raise BadParameter for what is neither a number nor a letter."""
    if is_random(text):
        return
    try:
        parse_number(text.strip(), where=where)
    except BadParameter as error:
        raise BadParameter(error.what, where=where, fix=_FIX) from error


def draw_list(
    text: str, layouts: Mapping[int, tuple[str, ...]], seed: int, limits: Limits | None = None
) -> tuple[str, str]:
    """A list with its letters drawn, and the rules that its E stand for. layouts: number of values → their blocks.

    Anything that is no list is handed back. Raises BadParameter.

    >>> draw_list("0,R,U", {}, 1), draw_list("0,ER,1", {3: ("BASE", "IN00", "MID")}, 1)
    (('0,0.007973,1.43047', ''), ('0,0,1', 'IN00::0~1@1'))
    """
    values, limits = [value.strip() for value in text.split(",")], limits or Limits()
    if len(values) == 1:
        return text, ""
    rules: list[str] = []
    for place, value in enumerate(values):
        check_weight(value, where="blocks")
        if not is_random(value):
            continue
        ends = limits.find(value.removeprefix("E"), place, len(values))
        if not value.startswith("E"):
            values[place] = f"{_draw(ends, f'{seed} {place}'):g}"
            continue
        if len(values) not in layouts:
            what = f"{value} needs a list of {', '.join(map(str, sorted(layouts)))} weights; {len(values)} were given"
            raise BadParameter(what, where="blocks", fix="give as many")
        values[place] = "0"
        rules.append(f"{layouts[len(values)][place]}::{Spread(*ends, seed)}")
    return ",".join(values), ",".join(rules)


def draw_rules(text: str, seed: int, limits: Limits | None = None) -> str:
    """Rules ``blocks:words:weight`` with letters for weights as recipes have them. Raises BadParameter.

    >>> draw_rules("OUT05:attn:R, BASE::0.5", 3)
    'OUT05:attn:0~1@3,BASE::0.5'
    """
    found: list[str] = []
    for line in filter(None, (line.strip() for line in re.split(r"[,\n]", text))):
        head, colon, weight = line.rpartition(":")
        if colon and is_random(weight):
            letter = weight.strip().removeprefix("E")
            line = f"{head}:{Spread(*(limits or Limits()).find(letter, 0, 1), seed)}"
        found.append(line)
    return ",".join(found)


def _draw(ends: tuple[float, float], name: str) -> float:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return round(ends[0] + share * (ends[1] - ends[0]), 6)
