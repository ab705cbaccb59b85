"""diffusers pipelines, all three generations: ``lora_A``, ``lora.down`` and attention processors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...modules.parts import PARTS, UNET
from .base import Dialect, Located, find, split

if TYPE_CHECKING:
    from ..files import RawFile

_PROCESSOR = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(up|down)\.weight")


def locate(key: str, _: RawFile) -> Located | str:
    """``unet.<module>.lora_A.weight``, ``text_encoder.text_model...``, ``...attn1.processor.to_q_lora.down.weight``."""
    part, rest = _part(key)
    if old := _PROCESSOR.fullmatch(rest):
        name = f"{old[1]}.{old[2]}" + (".0" if old[2] == "to_out" else "")
        return find(part or UNET, name, f"lora_{old[3]}.weight")
    if part is None:
        return f"does not start with {', '.join(PARTS)}"
    parts = split(rest)
    if parts is None:
        return "ends in no suffix of a LoRA"
    name, suffix = parts
    return find(part, name.removesuffix(".lora").removesuffix(".processor"), suffix)


def _part(key: str) -> tuple[str | None, str]:
    for part in PARTS:
        if key.startswith(f"{part}."):
            return part, key[len(part) + 1 :]
    return None, key


DIALECT = Dialect("diffusers", "diffusers pipeline", 30, locate)
