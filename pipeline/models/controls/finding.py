"""ControlNets that fit an annotator's maps and a base model, found by the names that the annotator declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....core.errors import BadParameter, UnderdrawingError, UnknownName
from ....preprocessors import registry
from ....preprocessors.weights.transformer_controls import is_transformer_control
from ..finding import list_roots, name_folder, scan_models
from ..parts import TITLES
from ..reference_files import find_reference_control, list_reference_kinds
from .reading import find_control_family

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..model import Family, Model

_UNION = re.compile(r"SDXL union(?: ProMax)?, type (\d+)")
_UNION_FILE = re.compile(r"union|promax")
_NOISE = re.compile(
    r"control|controlnet|lora|net|sd\w*|xl|v\d\w*|\d\w*|t2iadapter|t2i|adapter|kohya|sai|models?|their|mask|as"
)
_OTHERS = {
    "recolor": ("recolour",),
    "openpose": ("pose", "dwpose"),
    "softedge": ("hed", "pidi"),
    "normalbae": ("normal",),
}
"""Words that names of files have for the same maps."""


def find_controls(annotator: str, family: Family, folders: Sequence[Path] = ()) -> list[Path]:
    """Files and folders of ControlNets for an annotator's maps and a base model, those that fit best.

    First those with a name that the annotator declares, then those whose name holds the kind of map, then union
    ControlNets; a file whose weights are for another base model is left out. Raises UnknownName for an annotator.
    """
    named = [own for name in _list_consumers(annotator) if not _UNION.match(name) for own in _list_names(name)]
    exact = [simple for name in named if (simple := _simplify(name)) != "inpaint"]
    words = [found for name in named if (found := list_words(name))]
    union = find_union_mode(annotator) is not None
    tiers: tuple[list[Path], ...] = ([], [], [])
    for entry in scan_models(list_roots("ControlNet", folders)).entries:
        stem = _simplify(entry.relative)
        if any(name in stem for name in exact):
            tiers[0].append(entry.path)
        elif any(_holds(stem.split("_"), wanted) for wanted in words):
            tiers[1].append(entry.path)
        elif union and _UNION_FILE.search(stem):
            tiers[2].append(entry.path)
    fitting = ([path for path in tier if _has_family(path, family)] for tier in tiers)
    return next((found for found in fitting if found), [])


def choose_control(annotator: str, model: Model, folders: Sequence[Path] = ()) -> Path:
    """The one ControlNet for an annotator's maps and a base model.

    Raises BadParameter with the list when several fit, UnknownName saying what was looked for, and where.
    """
    if model.reference:
        return _choose_reference(annotator)
    found = find_controls(annotator, model.family, folders)
    if len(found) == 1:
        return found[0]
    title = TITLES[model.family]
    if found:
        what = f"{len(found)} ControlNets fit {annotator} and {title}: {', '.join(path.name for path in found)}"
        raise BadParameter(what, where="control", fix="name one of them as the control's model")
    names = _list_consumers(annotator)
    roots = ", ".join(map(str, list_roots("ControlNet", folders)))
    what = (
        f"no ControlNet for {annotator} and {title} was found; looked for {'; '.join(names)}, in {roots or 'no folder'}"
    )
    first = "put one there" if roots else name_folder("ControlNet")
    raise UnknownName(what, where="control", fix=f"{first}, or name its file as the control's model")


def find_union_mode(annotator: str) -> int | None:
    """Number of an annotator's maps in union ControlNets; None where it declares none."""
    return next((int(match[1]) for name in _list_consumers(annotator) if (match := _UNION.match(name))), None)


def list_words(name: str) -> set[str]:
    """Words of a ControlNet's name that say which maps it reads.

    >>> sorted(list_words("control_v11p_sd15s2_lineart_anime"))
    ['anime', 'lineart']
    """
    return {word for word in _simplify(name).split("_") if len(word) > 2 and not _NOISE.fullmatch(word)}


def _holds(stem: list[str], words: set[str]) -> bool:
    """Whether a file's name holds every word, or one that stands for it."""
    return all(any(other in stem for other in (word, *_OTHERS.get(word, ()))) for word in words)


def _list_consumers(annotator: str) -> tuple[str, ...]:
    """Those of models that this pipeline draws with."""
    consumers = registry.resolve(annotator).annotator.spec.consumers
    return tuple(consumer for consumer in consumers if not is_transformer_control(consumer))


def _list_names(consumer: str) -> list[str]:
    """Names of files that a consumer's name holds: without its owner, and what stands in brackets."""
    name, _, more = consumer.rpartition("/")[2].partition(" (")
    return [name, *([more.rstrip(")")] if "_" in more else [])]


def _choose_reference(annotator: str) -> Path:
    if (path := find_reference_control(annotator)) is not None:
        return path
    offered = ", ".join(list_reference_kinds()) or "none"
    what = f"the reference model has no ControlNet for {annotator}"
    raise UnknownName(what, where="control", fix=f"it has: {offered}; or use another checkpoint")


def _simplify(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _has_family(path: Path, family: Family) -> bool:
    """By the weights; a file that is none, or damaged, does not fit."""
    try:
        return find_control_family(path) == family
    except UnderdrawingError:
        return False
