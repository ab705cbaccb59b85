"""Parameters that differ from picture to picture: ``uniform(30,120)``, ``randint(1,5)``, ``choice(a,b)``.

What a picture gets follows from seed, key, annotator and parameter alone, so neither order nor workers change it.

>>> from ..params import Field
>>> field = Field(name="low", kind="int", default=100, help="", low=0, high=255)
>>> value = parse_random("uniform(30,120)", field, where="canny")
>>> value.draw(7, "photo", "canny", "low")
111
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import math
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import BadParameter
from ..setting_values import OFF, ON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..params import Field, Value

Distribution = Literal["uniform", "randint", "choice"]
FORMS = "uniform(LOW,HIGH), randint(LOW,HIGH) or choice(A,B,...)"
_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)
_NUMBERS = 2**64
_DIGITS = 6
"""Significant digits of numbers drawn from a range."""


class RandomValue(msgspec.Struct, frozen=True):
    """A range, both ends allowed, or choices that are equally likely.

    whole: only whole numbers of the range are drawn, all equally likely.
    """

    distribution: Distribution
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    choices: tuple[int | float | bool | str, ...] = ()

    def __str__(self) -> str:
        """Text that `parse_random` reads."""
        parts = self.choices if self.choices else (self.low, self.high)
        return f"{self.distribution}({','.join(map(_format, parts))})"

    def ends(self) -> tuple[Value, ...]:
        """Values that are allowed only if all that can be drawn are: both ends, or every choice."""
        return self.choices or tuple(int(end) if self.whole else end for end in (self.low, self.high))

    def draw(self, seed: int, key: str, annotator: str, parameter: str) -> Value:
        """The value of one picture. key: the row's; equal arguments give equal values on every machine."""
        number = _hash_number(str(seed), key, annotator, parameter)
        if self.choices:
            return self.choices[number * len(self.choices) // _NUMBERS]
        if self.whole:
            return int(self.low) + number * (int(self.high) - int(self.low) + 1) // _NUMBERS
        value = self.low + (self.high - self.low) * (number / _NUMBERS)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


RandomValues = dict[str, RandomValue]
"""Name of a parameter → what it is drawn from."""


def draw_values(values: Mapping[str, RandomValue], seed: int, key: str, annotator: str) -> dict[str, Value]:
    """Values of all random parameters of one annotator for one picture."""
    return {name: value.draw(seed, key, annotator, name) for name, value in values.items()}


def iter_choices(values: Mapping[str, RandomValue]) -> Iterator[dict[str, Value]]:
    """Every combination of what is chosen among, as weights may depend on it; one empty one where nothing is."""
    chosen = {name: value.choices for name, value in values.items() if value.choices}
    for combination in itertools.product(*chosen.values()):
        yield dict(zip(chosen, combination, strict=True))


def parse_random(text: str, field: Field, *, where: str) -> RandomValue | None:
    """Read a distribution for a parameter; None for a text that is none. where: the annotator.

    Whole numbers only are drawn for a parameter that takes no others. Parameters that are texts have choices only.

    Raises BadParameter for a distribution that is unknown, has wrong ends or could leave the parameter's bounds.
    """
    match = _CALL.fullmatch(text)
    if match is None:
        return None
    name, arguments = match[1], _split(match[2])
    place = f"{where}.{field.name}"
    if name == "choice":
        return _check_choices(arguments, field, place)
    if field.kind == "text":
        return None
    if name not in ("uniform", "randint"):
        raise BadParameter(f"{name} is no distribution", where=place, fix=f"write {FORMS}")
    if field.kind not in ("int", "float"):
        raise BadParameter(f"{text.strip()}: this parameter is no number", where=place, fix="write choice(A,B,...)")
    return _read_range("uniform" if name == "uniform" else "randint", arguments, field, place)


def _split(text: str) -> list[str]:
    """Arguments between commas; one in double quotes may hold commas."""
    (row,) = csv.reader([text.replace("\n", " ").replace("\r", " ")], skipinitialspace=True)
    return [part.strip() for part in row]


def _read_range(name: Literal["uniform", "randint"], arguments: list[str], field: Field, place: str) -> RandomValue:
    whole = name == "randint" or field.kind == "int"
    if len(arguments) != 2:
        what = f"{name} has {len(arguments)} values in place of two"
        raise BadParameter(what, where=place, fix=f"write {name}(LOW,HIGH)")
    low, high = (_read_number(argument, whole, place) for argument in arguments)
    if low > high:
        raise BadParameter(
            f"{name}({_format(low)},{_format(high)}) has its ends in the wrong order",
            where=place,
            fix=f"write {name}({_format(high)},{_format(low)})",
        )
    for end in (low, high):
        _check_bounds(end, field, place)
    return RandomValue(name, float(low), float(high), whole)


def _check_choices(arguments: list[str], field: Field, place: str) -> RandomValue:
    if not any(arguments):
        raise BadParameter("choice() has nothing to choose among", where=place, fix="write choice(A,B,...)")
    values = tuple(_read_value(argument, field, place) for argument in arguments)
    return RandomValue("choice", choices=values)


def _read_value(text: str, field: Field, place: str) -> Value:
    match field.kind:
        case "int" | "float":
            number = _read_number(text, field.kind == "int", place)
            _check_bounds(number, field, place)
            return number
        case "bool":
            if text.lower() not in ON + OFF:
                raise BadParameter(f"{text!r} is neither on nor off", where=place, fix="write choice(true,false)")
            return text.lower() in ON
        case "choice":
            if text not in field.choices:
                raise BadParameter(
                    f"{text!r} is not a choice", where=place, fix=f"choose among {', '.join(field.choices)}"
                )
            return text
        case "text":
            return text


def _read_number(text: str, whole: bool, place: str) -> int | float:
    try:
        number = int(text) if whole else float(text)
        if math.isfinite(number):
            return number
    except (ValueError, OverflowError):
        pass
    kind = "whole number" if whole else "number"
    raise BadParameter(f"{text!r} is not a {kind}", where=place, fix=f"write {FORMS}")


def _check_bounds(number: float, field: Field, place: str) -> None:
    low = -math.inf if field.low is None else field.low
    high = math.inf if field.high is None else field.high
    if not low <= number <= high:
        raise BadParameter(
            f"{_format(number)} is out of bounds", where=place, fix=f"its values are {_format(low)} to {_format(high)}"
        )


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.replace(chr(34), chr(34) * 2)}"' if {",", '"', " "} & set(value) else value
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def _hash_number(*parts: str) -> int:
    """Whole number below 2**64, in which every part counts by itself."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return int.from_bytes(digest.digest()[:8], "little")
