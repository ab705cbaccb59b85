"""Cases for every weights file of every annotator: the parameters that use it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underdrawing.core.annotator import Annotator
    from underdrawing.core.params import Field, Value
    from underdrawing.core.weights.record import Weight

MOST = 3000
"""Most combinations of parameters that are tried for one annotator."""


class Case(NamedTuple):
    """annotator with values needs these weights."""

    annotator: type[Annotator[Any]]
    values: dict[str, Value]
    needs: tuple[Weight, ...]

    @property
    def name(self) -> str:
        values = ",".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.annotator.spec.id}-{values or 'default'}"


def _choices(field: Field) -> list[Value]:
    """Values of a field, its default first; numbers keep theirs."""
    others: dict[str, tuple[Value, ...]] = {"choice": field.choices, "bool": (True, False)}
    return list(dict.fromkeys([field.default, *others.get(field.kind, ())]))


def _combinations(annotator: type[Annotator[Any]]) -> Iterator[dict[str, Value]]:
    """Values that differ from the defaults as little as possible come first."""
    fields = [field for field in annotator.fields() if len(_choices(field)) > 1]
    every = list(product(*(range(len(_choices(field))) for field in fields)))[:MOST]
    for picked in sorted(every, key=lambda numbers: (sum(number > 0 for number in numbers), sum(numbers))):
        yield {field.name: _choices(field)[number] for field, number in zip(fields, picked, strict=True) if number}


def cases_of(annotator: type[Annotator[Any]]) -> list[Case]:
    """Cases that together use every weights file of an annotator that its parameters can choose."""
    found: list[Case] = []
    left = set(annotator.spec.weights)
    for values in _combinations(annotator):
        needs = annotator.weights_for(annotator.params(**values))
        if left & set(needs):
            found.append(Case(annotator, values, needs))
            left -= set(needs)
        if not left:
            break
    return found


def cases() -> list[Case]:
    """Every case of the registry."""
    return [case for annotator in registry for case in cases_of(annotator)]
