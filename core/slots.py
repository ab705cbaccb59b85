"""Inputs of operations: slots that every host fills with what means the same there, and what is written.

>>> class OneLora(Inputs):
...     lora: Annotated[Path, slot("lora", "File to look into")]
>>> [(s.name, s.kind, s.repeat) for s in slots(OneLora)]
[('lora', 'lora', 'one')]
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

import msgspec

from .errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .hooks import FileKind

SlotKind = Literal["lora", "loras", "checkpoint", "checkpoints", "vae", "embedding", "poses", "text", "weights", "file"]
"""What a slot takes. Each host maps a kind to what means the same there: a checkpoint is a file or a loaded model,
poses are a JSON file or a list in memory, several LoRAs with strengths are files with options or tags in a text."""
Repeat = Literal["one", "each", "all"]
"""one: takes one. each: a host may give several, and the operation runs once for each. all: takes a list at once."""


class Slot(msgspec.Struct, frozen=True):
    """An input. live: a checkpoint may also be a model that the host has loaded. name: filled in from the field.

    listed: such a host offers its list of files as well, where one checkpoint is taken.
    """

    kind: SlotKind
    help: str
    repeat: Repeat = "one"
    live: bool = False
    optional: bool = False
    listed: bool = False
    name: str = ""


class Target(msgspec.Struct, frozen=True):
    """What an operation writes, or gives back where the host keeps such things in memory.

    suffix: of the file; empty for a folder. last: on a command line it is the last argument in place of an option.
    name_optional: a host that asks for a name may be given none, which means that of the input. optional: the operation
    may be run without writing.
    """

    kind: FileKind
    help: str
    suffix: str = ".safetensors"
    last: bool = False
    name_optional: bool = False
    optional: bool = False
    name: str = ""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every set of inputs. Fields are ``Annotated[type, slot(...) or target(...)]``."""


def slot(
    kind: SlotKind,
    text: str,
    *,
    repeat: Repeat = "one",
    live: bool = False,
    optional: bool = False,
    listed: bool = False,
) -> Slot:
    """Declare an input; text is its help."""
    return Slot(kind, text, repeat, live, optional, listed)


def target(
    kind: FileKind,
    text: str,
    *,
    suffix: str = ".safetensors",
    last: bool = False,
    name_optional: bool = False,
    optional: bool = False,
) -> Target:
    """Declare what is written; text is its help."""
    return Target(kind, text, suffix, last, name_optional, optional)


@cache
def slots(inputs: type[Inputs]) -> tuple[Slot, ...]:
    """Inputs of an operation in order of declaration."""
    return tuple(d for d in _declarations(inputs) if isinstance(d, Slot))


@cache
def target_of(inputs: type[Inputs]) -> Target | None:
    """What an operation writes; None when it only reports."""
    return next((d for d in _declarations(inputs) if isinstance(d, Target)), None)


def _declarations(inputs: type[Inputs]) -> list[Slot | Target]:
    hints = get_type_hints(inputs, include_extras=True)
    found = ((f.name, meta) for f in msgspec.structs.fields(inputs) for meta in get_args(hints[f.name])[1:])
    return [msgspec.structs.replace(d, name=name) for name, d in found if isinstance(d, (Slot, Target))]


class WeightedLora(msgspec.Struct, frozen=True):
    """A LoRA file with the strengths it is wanted at. blocks: block weights or a preset as in ``lbw=``, or empty.

    ranks: only so many of the first ranks count (``dyn=``); None for all.
    """

    path: Path
    unet: float = 1.0
    text_encoder: float = 1.0
    blocks: str = ""
    ranks: int | None = None


def weigh_loras(
    files: Sequence[Path], unet: Sequence[float], encoder: Sequence[float], blocks: Sequence[str]
) -> tuple[WeightedLora, ...]:
    """Files with the strengths meant for them: none, one for all, or one for each. Raises BadParameter."""
    unet = _spread(unet or (1.0,), len(files), "strength")
    encoder = _spread(encoder or unet, len(files), "te_strength")
    weights = _spread(blocks or ("",), len(files), "blocks")
    return tuple(map(WeightedLora, files, unet, encoder, weights))


def _spread(values: Sequence[Any], count: int, name: str) -> Sequence[Any]:
    if len(values) not in (1, count):
        what = f"{name} was given {len(values)} times for {count} files"
        raise BadParameter(what, where=name, fix="give it once for all, or once for each")
    return values if len(values) == count else [values[0]] * count
