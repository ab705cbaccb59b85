"""cloneofsimo's lora_diffusion: modules by position, in a safetensors file or a bare list of tensors.

The order is that of ``named_modules`` under attention and GEGLU layers (the extended set adds ResNets). It is frozen
here from the architecture, not read from a live model. Before diffusers 0.12 the feed-forward stood between the two
attentions; the shape of the fifth entry gives that order away.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ....core.errors import BadWeights
from ...modules.architectures import ARCHITECTURES, SD15, SD21
from ...modules.parts import TEXT_ENCODER, UNET, find_part
from ..files import PICKLED, read_file
from .base import Dialect, ModuleKey, Rejection

if TYPE_CHECKING:
    from torch import Tensor

    from ..files import RawFile

_KEY = re.compile(rf"({UNET}|{TEXT_ENCODER}):(\d+):(?:(up|down)|(.+))")
ATTENTION, EXTENDED, ENCODER = 144, 224, 48
"""Modules of SD1's UNet, of its extended set, and of its text encoder."""
_SIDES = {"lora_up.weight": "up", "lora_down.weight": "down"}
GEGLU = 8
"""Rows of a GEGLU projection per column."""
LARGEST = 100_000


@cache
def list_names(part: str, count: int, *, early: bool = False) -> tuple[str, ...]:
    """Canonical names by position for a file of count modules; raises BadWeights for a count nobody wrote."""
    names = _list_encoder(count) if part == TEXT_ENCODER else _list_unet(extended=count == EXTENDED)
    if len(names) != count:
        known = f"{ATTENTION} or {EXTENDED}" if part == UNET else "48 (SD1) or 92 (SD2)"
        raise BadWeights(f"holds {count} modules of the {part} by position; lora_diffusion wrote {known}")
    return tuple(f"{part}.{name}" for name in (_sort_early(names) if early else names))


def _list_encoder(count: int) -> list[str]:
    encoders = (ARCHITECTURES[name].networks[TEXT_ENCODER] for name in (SD15, SD21))
    attention = [[n for n in encoder.modules() if ".self_attn." in n] for encoder in encoders]
    return next((names for names in attention if len(names) == count), attention[0])


def _list_unet(*, extended: bool) -> list[str]:
    modules = ARCHITECTURES[SD15].networks[UNET].modules()
    names = [name for name in modules if re.search(r"\.attn\d\.to_|\.ff\.net\.0\.proj$", name)]
    if not extended:
        return names
    attention = set(names)
    return [n for n, m in modules.items() if n in attention or (".resnets." in n and m.kind in ("Linear", "Conv2d"))]


def _sort_early(names: list[str]) -> list[str]:
    """attn1, ff, attn2 instead of attn1, attn2, ff within each transformer block."""
    rank = {"attn1": 0, "ff": 1, "attn2": 2}
    blocks: dict[str, int] = {}

    def sort_key(name: str) -> tuple[int, int]:
        block, _, tail = name.partition(".transformer_blocks.0.")
        return blocks.setdefault(block if tail else name, len(blocks)), rank.get(tail.partition(".")[0], 0)

    return sorted(names, key=sort_key)


def name_sequence(file: RawFile) -> RawFile:
    """A bare list, and the text encoder and tokens lying beside it, under the keys of the safetensors form."""
    if not file.sequence:
        return file
    part = TEXT_ENCODER if f".{TEXT_ENCODER}" in file.path.suffixes else UNET
    tensors, metadata = _number_tensors(part, file.sequence), dict(file.metadata)
    if part == UNET and file.path.suffix.lower() in PICKLED:
        tensors |= _read_companions(file, metadata)
    return replace(file, tensors=tensors, sequence=(), metadata=metadata)


def _number_tensors(part: str, sequence: tuple[Tensor, ...]) -> dict[str, Tensor]:
    if len(sequence) % 2:
        raise BadWeights(f"is a list of {len(sequence)} tensors; up and down must alternate")
    return {f"{part}:{i // 2}:{'down' if i % 2 else 'up'}": tensor for i, tensor in enumerate(sequence)}


def _read_companions(file: RawFile, metadata: dict[str, str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    encoder = file.path.with_suffix(f".{TEXT_ENCODER}{file.path.suffix}")
    if encoder.is_file():
        found |= _number_tensors(TEXT_ENCODER, read_file(encoder).sequence)
    tokens = file.path.with_suffix(f".ti{file.path.suffix}")
    if tokens.is_file():
        learned = read_file(tokens).tensors
        metadata.update(dict.fromkeys(learned, "<embed>"))
        found |= learned
    return found


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """``unet:12:up`` → the thirteenth module."""
    found = _KEY.fullmatch(key)
    if found is None or len(found[2]) > len(str(LARGEST)):
        return Rejection("is not PART:NUMBER:up or PART:NUMBER:down", foreign=True)
    part, number = found[1], int(found[2])
    count = sum(other.startswith(f"{part}:") and other.endswith(":up") for other in file.tensors)
    names = list_names(part, count, early=part == UNET and _is_early(file))
    if number >= len(names):
        return Rejection(f"number {number} of {len(names)} modules")
    return ModuleKey(names[number], f"lora_{found[3]}.weight" if found[3] else found[4])


def _is_early(file: RawFile) -> bool:
    up, down = (file.tensors.get(f"{UNET}:4:{side}") for side in ("up", "down"))
    if up is None or down is None or up.ndim < 2 or down.ndim < 2:
        return False
    return up.shape[0] == GEGLU * down.shape[1]


def spell(module: str, suffix: str) -> str | None:
    """Plain LoRA on SD1's attention layers, without alpha."""
    names = {UNET: list_names(UNET, ATTENTION), TEXT_ENCODER: list_names(TEXT_ENCODER, ENCODER)}.get(
        find_part(module), ()
    )
    if module not in names or suffix not in _SIDES:
        return None
    return f"{find_part(module)}:{names.index(module)}:{_SIDES[suffix]}"


DIALECT = Dialect("cloneofsimo", "cloneofsimo lora_diffusion", 0, locate, spell, prepare=name_sequence)
