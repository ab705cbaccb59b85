"""Parameters on a host's few sliders: numbers as they are, switches as 0 and 1, choices by their number.

>>> from ..params import Field
>>> on = Field(name="on", kind="bool", default=True, help="Detect hands")
>>> (one,) = choose_sliders([on], 3)
>>> one.label, one.default, one.read(0.0), one.read(-1)
('Detect hands (0 off, 1 on)', 1.0, False, None)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ..params import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..params import Field

SLIDERS = 3
"""How many hosts have."""
RANKS = {"int": 0, "float": 0, "bool": 1, "choice": 2}
"""Kind of a field → its place in the queue for sliders; texts have none."""


class Slider(NamedTuple):
    """A slider that stands for a field."""

    field: Field
    label: str
    low: float
    high: float
    step: float
    default: float

    def read(self, number: object) -> Value | None:
        """Value of the field; None, for its default, where there is no number or one out of range."""
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            return None
        if not self.low <= number <= self.high:
            return None
        match self.field.kind:
            case "float":
                return float(number)
            case "bool":
                return round(number) == 1
            case "choice":
                return self.field.choices[round(number)]
            case "int" | "text":
                return round(number)


def choose_sliders(fields: Iterable[Field], count: int) -> tuple[Slider, ...]:
    """Sliders for at most count of the fields: bounded numbers first, then switches, then choices, each in order."""
    suited = [field for field in fields if field.kind in RANKS and (RANKS[field.kind] or field.low is not None)]
    chosen = sorted(suited, key=lambda field: RANKS[field.kind])[:count]
    return tuple(_build(field) for field in suited if field in chosen)


def read_sliders(sliders: Sequence[Slider], numbers: Iterable[object]) -> dict[str, Value]:
    """Values of the fields whose sliders have a number in range; the others keep their defaults."""
    values = {slider.field.name: slider.read(number) for slider, number in zip(sliders, numbers, strict=False)}
    return {name: value for name, value in values.items() if value is not None}


def _build(field: Field) -> Slider:
    if field.kind == "bool":
        return Slider(field, f"{field.help} (0 off, 1 on)", 0, 1, 1, float(bool(field.default)))
    if field.kind == "choice":
        names = ", ".join(f"{number} {name}" for number, name in enumerate(field.choices))
        last = len(field.choices) - 1
        return Slider(field, f"{field.help} ({names})", 0, last, 1, float(field.choices.index(str(field.default))))
    low, high = field.low or 0.0, field.high if field.high is not None else math.inf
    return Slider(field, field.help, low, high, field.step or 1, float(field.default))
