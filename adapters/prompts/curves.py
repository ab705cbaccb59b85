"""Strengths that change over the steps, in loractl's syntax: `0@0,1@0.5`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...core.errors import BadParameter
from .numbers import format_number, parse_number


@dataclass(frozen=True)
class Curve:
    """Points (strength, position) in order of position, joined by straight lines, level before the first and after
    the last.

    Positions are fractions of the pass when the last is at most 1, else numbers of steps done (loractl's rule).
    """

    points: tuple[tuple[float, float], ...]

    def at(self, step: int, steps: int) -> float:
        """Strength in step, counted from 1: the first step is position 0 and the last is fraction 1.

        loractl reads a host counter that lags by one step; here the position is that of the step itself.
        """
        fractions = self.points[-1][1] <= 1
        place = (step - 1) / max(steps - 1, 1) if fractions else float(step - 1)
        after = next((i for i, (_, position) in enumerate(self.points) if position > place), len(self.points))
        if after in (0, len(self.points)):
            return self.points[max(after - 1, 0)][0]
        (low, left), (high, right) = self.points[after - 1], self.points[after]
        return low + (high - low) * (place - left) / (right - left)

    def __str__(self) -> str:
        return ",".join(f"{format_number(weight)}@{format_number(position)}" for weight, position in self.points)


Strength = float | Curve


def parse_strength(text: str, *, where: str) -> Strength:
    """A number, or `weight@position` pairs separated by `,` or `;`. Raises BadParameter naming the tag.

    A pair without a position stands at 1, the end, except the first, which must have one.
    """
    pairs = [re.split("[@~]", part) for part in re.split("[,;]", text)]
    if len(pairs) == 1 and len(pairs[0]) == 1:
        return parse_number(text, where=where)
    if len(pairs[0]) == 1 or any(len(pair) > 2 for pair in pairs):
        raise BadParameter(
            f"{text!r} is neither a weight nor a curve", where=where, fix="write 0.8, or a curve as 0@0,1@0.5"
        )
    points = [
        (parse_number(pair[0], where=where), parse_number(pair[1], where=where) if len(pair) == 2 else 1.0)
        for pair in pairs
    ]
    return Curve(tuple(sorted(points, key=lambda point: point[1])))


def strength_at(strength: Strength, step: int, steps: int) -> float:
    """Value of a strength in a step, counted from 1."""
    return strength.at(step, steps) if isinstance(strength, Curve) else strength


def format_strength(strength: Strength) -> str:
    """Text that reads back as the same strength."""
    return str(strength) if isinstance(strength, Curve) else format_number(strength)
