"""Every weights file of every annotator, by id, and who needs it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UnknownName
from ...core.weights.store import get_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.registry import Registry
    from ...core.weights.record import Weight


def _registry() -> Registry:
    from .. import registry

    return registry


def records() -> dict[str, Weight]:
    """Every weight of every annotator, by id."""
    return {weight.id: weight for annotator in _registry() for weight in annotator.spec.weights}


def list_users(weight: Weight) -> list[str]:
    """Ids of the annotators that need a weight."""
    return [annotator.spec.id for annotator in _registry() if weight in annotator.spec.weights]


def find_records(ids: Iterable[str]) -> list[Weight]:
    """Find weights by id or by their file's name. Raises UnknownName."""
    every = records()
    found: dict[str, Weight] = {}
    for name in ids:
        named = [every[name]] if name in every else [w for w in every.values() if Path(w.file).name == name]
        if len(named) != 1:
            near = difflib.get_close_matches(name, every, n=3) if not named else [w.id for w in named]
            fix = f"did you mean {' or '.join(near)}?" if near else "see `underdrawing weights list`"
            raise UnknownName(f"there is no weights file called {name!r}", fix=fix)
        found[named[0].id] = named[0]
    return list(found.values())


def find_needed(names: Iterable[str]) -> list[Weight]:
    """Weights of annotators; an alias needs those of its presets, an id all that its parameters can choose."""
    needed: list[Weight] = []
    for name in names:
        resolved = _registry().resolve(name)
        annotator, presets = resolved.annotator, resolved.presets
        needed += annotator.weights_for(annotator.params(**presets)) if presets else annotator.spec.weights
    return needed


def describe_terms(weight: Weight) -> str:
    """Size and licence in words."""
    use = "commercial use allowed" if weight.commercial else "not for commercial use"
    pinned = get_store().describe_pin(weight)
    size = get_store().try_complete(weight).megabytes
    return f"{size}, {weight.licence}, {use}{'; ' + pinned if pinned else ''}"
