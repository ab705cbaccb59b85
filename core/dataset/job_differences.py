"""In which settings two runs differ, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from .random_values import RandomValue

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = "nothing"
LONGEST = 60


def list_differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Each setting that differs, with both values, as a user gives it."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if name == "annotators" and isinstance(before, list) and isinstance(after, list):
            yield from _list_annotators(before, after)
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from list_differences(before, after)
        elif before != after:
            yield f"{name} {_format(before)} is now {_format(after)}"


def _list_annotators(old: list[Any], new: list[Any]) -> Iterator[str]:
    before, after = ({one["name"]: one for one in annotators} for annotators in (old, new))
    if list(before) != list(after):
        yield f"annotators {','.join(before)} are now {','.join(after)}"
        return
    for name, one in before.items():
        other = after[name]
        for part in ("id", "version"):
            if one.get(part) != other.get(part):
                yield f"{name}'s {part} {one.get(part)} is now {other.get(part)}"
        values = (_read_values(one), _read_values(other))
        for parameter in sorted(values[0].keys() | values[1].keys()):
            first, second = (found.get(parameter, NOTHING) for found in values)
            if first != second:
                yield f"{name}.{parameter} {first} is now {second}"
        weights = (one.get("weights", {}), other.get("weights", {}))
        for weight in sorted(weights[0].keys() | weights[1].keys()):
            if weights[0].get(weight) != weights[1].get(weight):
                yield f"{name}'s weights {weight} are another file"


def _read_values(annotator: dict[str, Any]) -> dict[str, str]:
    """Parameters of an annotator, fixed and drawn ones, as a user gives them."""
    drawn = {name: str(msgspec.convert(value, RandomValue)) for name, value in annotator.get("random", {}).items()}
    return {name: _format(value) for name, value in annotator.get("params", {}).items()} | drawn


def _format(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, str) and value and " " not in value:
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
    return json.dumps(value, ensure_ascii=False)
