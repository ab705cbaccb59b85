"""diffusers pipelines, all three generations: ``lora_A``, ``lora.down`` and attention processors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...modules.parts import PARTS, UNET
from ...modules.spellings import to_file_name
from .base import Dialect, ModuleKey, Rejection, find_module, join_key, split_key

if TYPE_CHECKING:
    from ..files import RawFile

_PROCESSOR = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(up|down)\.weight")


def locate(key: str, _: RawFile) -> ModuleKey | Rejection:
    """``unet.<module>.lora_A.weight``, ``text_encoder.text_model...``, ``...attn1.processor.to_q_lora.down.weight``."""
    part, rest = _split_part(key)
    if old := _PROCESSOR.fullmatch(rest):
        name = f"{old[1]}.{old[2]}" + (".0" if old[2] == "to_out" else "")
        return find_module(part or UNET, name, f"lora_{old[3]}.weight")
    if part is None:
        return Rejection(f"does not start with {', '.join(PARTS)}", foreign=True)
    pair = split_key(rest)
    if pair is None:
        return Rejection("ends in no suffix of a LoRA")
    name, suffix = pair
    return find_module(part, name.removesuffix(".lora").removesuffix(".processor"), suffix)


def _split_part(key: str) -> tuple[str | None, str]:
    part, _, rest = key.partition(".")
    return (part, rest) if part in PARTS and rest else (None, key)


def spell(module: str, suffix: str) -> str | None:
    """The current generation: the part, the module as files have it, any suffix."""
    part, _, name = module.partition(".")
    return join_key(f"{part}.{to_file_name(part, name)}", suffix)


DIALECT = Dialect("diffusers", "diffusers pipeline", 30, locate, spell)
