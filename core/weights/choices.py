"""Values of parameters with which an annotator needs no weights that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import UnderdrawingError, WeightsMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ..params import Field, Params
    from .record import Weight

P = TypeVar("P", bound="Params")


def find_ready_choices(
    params: P,
    fields: Iterable[Field],
    weights_for: Callable[[P], Sequence[Weight]],
    find: Callable[[Weight], Path | None],
) -> list[str]:
    """Choices, as "model=bsds500", that differ from params and whose weights are all on this machine."""
    others = ((f.name, choice) for f in fields for choice in f.choices if choice != getattr(params, f.name, choice))
    return [f"{name}={choice}" for name, choice in others if _is_ready(params, name, choice, weights_for, find)]


def _is_ready(
    params: P,
    name: str,
    choice: str,
    weights_for: Callable[[P], Sequence[Weight]],
    find: Callable[[Weight], Path | None],
) -> bool:
    try:
        needed = weights_for(msgspec.structs.replace(params, **{name: choice}))
        return all(find(weight) is not None for weight in needed)
    except (KeyError, UnderdrawingError):  # choices that do not go together, or a damaged file
        return False


def add_choices(error: WeightsMissing, ready: Sequence[str]) -> WeightsMissing:
    """The same error, which says with which choices the annotator runs without a download."""
    if not ready:
        return error
    what = f"{error.what}; without a download it runs with {' or '.join(ready)}, which may draw other maps"
    return WeightsMissing(
        what, where=error.where, fix=error.fix, weights=error.weights, found_by_name=error.found_by_name
    )
