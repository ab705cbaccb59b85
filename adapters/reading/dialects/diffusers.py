"""diffusers pipelines, all three generations (``lora_A``, ``lora.down``, attention processors), also without the part.

Without the part write `save_lora_adapter`, DiffSynth-Studio, and OneTrainer's ORIGINAL, whose names are LDM's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...modules.parts import PARTS, UNET
from ...modules.spellings import to_file_name
from ...modules.wrappers import strip_wrappers
from ..module_keys import find_key, find_name
from .base import PEFT, Dialect, ModuleKey, Rejection, join_key

if TYPE_CHECKING:
    from ..files import RawFile

_PROCESSOR = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(?:(up|down)\.weight|(.+))")
_ENCODER = re.compile(r"(text_model\.|encoder\.layers\.)")


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """``unet.<module>.lora_A.weight``, ``text_encoder.text_model...``, ``...attn1.processor.to_q_lora.down.weight``."""
    if key.startswith(PEFT):
        return Rejection(f"starts with {PEFT}", foreign=True)
    part, rest = split_part(strip_wrappers(key))
    if old := _PROCESSOR.fullmatch(rest):
        name = f"{old[1]}.{old[2]}" + (".0" if old[2] == "to_out" else "")
        return find_name(part or UNET, name, f"lora_{old[3]}.weight" if old[3] else old[4], file)
    if part is not None:
        return find_key(part, rest, file)
    found = find_key(file.lone_encoder if _ENCODER.match(rest) else UNET, rest, file)
    if isinstance(found, Rejection):
        return Rejection(f"does not start with {', '.join(PARTS)}, nor with a module of them", foreign=True)
    return found


def split_part(key: str) -> tuple[str | None, str]:
    """The part that a key starts with, if any, and the rest."""
    part, _, rest = key.partition(".")
    return (part, rest) if part in PARTS and rest else (None, key)


def spell(module: str, suffix: str) -> str | None:
    """The current generation: the part, the module as files have it, any suffix."""
    part, _, name = module.partition(".")
    return join_key(f"{part}.{to_file_name(part, name)}", suffix)


DIALECT = Dialect("diffusers", "diffusers pipeline", 30, locate, spell)
