"""Inputs of another pack's node, declared beside the alias that has its name, so that saved workflows open unchanged.

A saved workflow keeps widget values by position: names, order, kinds, bounds and choices are that pack's, spelling
mistakes included.

>>> safe = switch("safe", "enable", "safe")
>>> safe.kind, safe.choices, safe.values("disable")
('choice', ('enable', 'disable'), {'safe': False})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .params import FieldKind, Value, current_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .params import Params


class Widget(msgspec.Struct, frozen=True, kw_only=True):
    """One input.

    field: the parameter that takes its value; empty for one that changes nothing here. means: values that set
    parameters by themselves, whatever `field` says. modulo: whole numbers are folded into 0..modulo - 1.
    """

    name: str
    default: Value
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    field: str = ""
    means: dict[Value, dict[str, Value]] = {}
    modulo: int = 0

    @property
    def kind(self) -> FieldKind:
        """Kind of the input, by its default."""
        if isinstance(self.default, bool):
            return "bool"
        if isinstance(self.default, str):
            return "choice" if self.choices else "text"
        return "int" if isinstance(self.default, int) else "float"

    @property
    def fields(self) -> frozenset[str]:
        """Parameters it may set."""
        named = {name for values in self.means.values() for name in values}
        return frozenset(named | ({self.field} if self.field else set()))

    def values(self, given: Value) -> dict[str, Value]:
        """Parameters that a value stands for."""
        if given in self.means:
            return self.means[given]
        if self.modulo and isinstance(given, int):
            given %= self.modulo
        return {self.field: given} if self.field else {}


def number(name: str, default: float, low: float, high: float, field: str = "", *, step: float = 1) -> Widget:
    """Whole number or, when the default is a float, any number."""
    return Widget(name=name, default=default, low=low, high=high, step=step, field=field)


def switch(name: str, default: str, field: str = "") -> Widget:
    """Combo of "enable" and "disable", the default first."""
    choices = ("enable", "disable") if default == "enable" else ("disable", "enable")
    means: dict[Value, dict[str, Value]] = {word: {field: word == "enable"} for word in choices} if field else {}
    return Widget(name=name, default=default, choices=choices, means=means)


RESOLUTION = number("resolution", 512, 64, 16384, step=64)
"""Every node that has it takes the length of the map's shorter side; one that has not keeps the picture's size."""


def check_graph_inputs(
    types: Mapping[str, Mapping[str, Any]], old_choices: Mapping[str, Mapping[str, str]], values: Mapping[str, Any]
) -> bool | str:
    """Check inputs of a node as ComfyUI does, but accept earlier choices; a text says what is wrong.

    types: what INPUT_TYPES returns. old_choices: of the parameters, see `core.params.Params`.
    """
    declared: dict[str, Any] = {**types.get("required", {}), **types.get("optional", {})}
    for name, value in values.items():
        kind, *options = declared.get(name, ("*",))
        limits: dict[str, Any] = options[0] if options else {}
        if isinstance(kind, list) and value not in kind and value not in old_choices.get(name, {}):
            return f"{name}: {value!r} is not in {kind}"
        if kind in ("INT", "FLOAT") and not limits.get("min", value) <= value <= limits.get("max", value):
            return f"{name}: {value} is not between {limits.get('min')} and {limits.get('max')}"
    return True


def read_graph_inputs(
    params: type[Params], values: dict[str, Any], stored: Mapping[str, Any], node: str
) -> tuple[dict[str, Any], list[str]]:
    """Inputs of a node under present names, and a note for each earlier name or choice. Raises BadParameter.

    stored: what the graph holds for the node, also under earlier names; lists are links. node: its class, for messages.
    """
    names = params.old_names
    earlier = {name: stored[name] for name in names if name in stored}
    linked = [name for name, value in earlier.items() if isinstance(value, list)]
    given = values | {name: value for name, value in earlier.items() if name not in linked}
    result, notes = current_values(params, given, where=node)
    return result, notes + [f"{node}: {name} is now called {names[name]}; connect its link anew" for name in linked]
