"""Models with two experts, such as Wan 2.2, each with LoRAs of its own: which file goes on which.

One expert denoises while noise is high and stands in a pipeline's folder ``transformer``, the other finishes and stands
in ``transformer_2``. Their layers are the same, so only names tell their files apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import BadWeights
from ..modules.parts import TRANSFORMER
from ..reading.trainers import read_noise
from .fitness import check_base_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..adapter import Adapter
    from .plan import WeightedAdapter

SECOND = f"{TRANSFORMER}_2"
"""Folder of the expert of low noise in a pipeline that has two."""
HIGH, LOW = "high", "low"
_NAMES = "a LoRA goes there whose file or folder is named with low_noise"


def has_second(path: Path) -> bool:
    """Whether a pipeline's folder holds two experts."""
    return (path / SECOND).is_dir()


def split_experts(
    path: Path, adapters: Sequence[WeightedAdapter], *, whole: bool
) -> tuple[list[WeightedAdapter], list[WeightedAdapter], tuple[str, ...]]:
    """Adapters for the first expert of a checkpoint, those for its second, and notes on what names do not say.

    whole: a folder is written. Raises BadWeights for one of the second expert where a single file is.
    """
    first, second = [w for w in adapters if w[0].noise != LOW], [w for w in adapters if w[0].noise == LOW]
    if not has_second(path):
        return list(adapters), [], _note_others(path, [weighted[0] for weighted in adapters])
    if second and not whole:
        what = f"is for the expert of low noise, and a file made of {path.name} holds the other"
        raise BadWeights(what, where=second[0][0].name, fix=f"write a folder, or bake {path.name}/{SECOND} into a file")
    notes = [
        f"{w[0].name} does not say for which expert it is and went on that of high noise"
        for w in first
        if not w[0].noise
    ]
    if not second:
        notes.append(f"{SECOND}, the expert of low noise, was not changed: {_NAMES}")
    return first, second, tuple(notes)


def _note_others(path: Path, adapters: Iterable[Adapter]) -> tuple[str, ...]:
    """What contradicts: a file for one expert on what is named as the other."""
    own = _find_expert(path)
    return tuple(
        f"{adapter.name} is for the expert of {adapter.noise} noise by its name, and {path.name} is that of {own} noise"
        for adapter in adapters
        if own and adapter.noise not in ("", own)
    )


def _find_expert(path: Path) -> str:
    """Which expert a checkpoint is by its name or its place in a pipeline; "" where these do not tell."""
    if path.name == SECOND:
        return LOW
    return HIGH if path.name == TRANSFORMER and has_second(path.absolute().parent) else read_noise(path.stem)


def check_alike(adapters: Sequence[Adapter], way_out: str) -> None:
    """Raise BadWeights for adapters that are to become one and are for several base models or experts.

    way_out: how the caller lets them be joined.
    """
    for adapter in adapters[1:]:
        check_base_model(adapter, adapters[0].base_model, f"{adapters[0].name} was made for", way_out=way_out)
    named = {adapter.noise: adapter.name for adapter in adapters if adapter.noise}
    if len(named) > 1:
        what = f"is for the expert of low noise, and {named[HIGH]} for that of high noise: joined they suit neither"
        raise BadWeights(what, where=named[LOW], fix=f"make a file for each expert, or {way_out}")


def note_lost_expert(adapters: Iterable[Adapter], output: Path) -> tuple[str, ...]:
    """What a new file's name does not say any more."""
    noise = next((adapter.noise for adapter in adapters if adapter.noise), "")
    if not noise or read_noise(output.stem) == noise:
        return ()
    return (f"it is for the expert of {noise} noise, which the name {output.name} does not say any more",)
