"""Numbers inside prompts and tags: finite or refused, and printed so that they read back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ...core.errors import BadParameter

LARGEST = 3.4028234663852886e38
"""Of float32, in which weights are computed with."""


def parse_number(text: str, *, where: str) -> float:
    """A finite number. Raises BadParameter, also for nan, and for inf and what float32 does not hold, which would spoil
    the picture without a word."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise BadParameter(
            f"{text!r} is not a number that can be used as a weight", where=where, fix="write a number such as 0.8"
        )
    return value


def format_number(value: float) -> str:
    """Shortest text that reads back as value, without an exponent: 1, 0.8, -0.25."""
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


@dataclass(frozen=True)
class Moment:
    """A place in the sampling: with a dot a fraction of all steps (1.0 = all), without one a number of steps.

    The rule of A1111's `[a:b:0.5]`: 0.5 of 20 steps is after step 10, and so is 10.
    """

    value: float
    fraction: bool

    @classmethod
    def parse(cls, text: str, *, where: str) -> Moment:
        """Read `0.5`, `.5`, `1.0` (fractions) or `10` (steps). Raises BadParameter."""
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            value = Decimal("nan")
        if not value.is_finite():
            raise BadParameter(
                f"{text!r} is not a step", where=where, fix="write steps as 10, or a fraction of them as 0.5"
            )
        return cls(parse_number(text, where=where), "." in text)

    def as_fraction(self) -> Moment:
        """0 and 1 read as all of nothing and all of it, beside another place that is a fraction; others stay."""
        return Moment(self.value, True) if self.value in (0, 1) else self

    def step(self, steps: int) -> int:
        """Number of steps done when this moment comes, at most steps; 0 or less means from the start."""
        return int(min(steps, self.value * steps if self.fraction else self.value))

    def __str__(self) -> str:
        text = format(Decimal(repr(self.value)), "f")
        return text if self.fraction else text.removesuffix(".0")


def is_active(step: int, steps: int, start: Moment | None, stop: Moment | None) -> bool:
    """Whether an adapter works in step (1 to steps): after `start` is done and until `stop` is done.

    As A1111 reads `[:x:5]` and `[x::5]`: start=5 begins with step 6, stop=5 ends with step 5.
    """
    return (start is None or step > start.step(steps)) and (stop is None or step <= stop.step(steps))
