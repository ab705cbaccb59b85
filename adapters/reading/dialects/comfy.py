"""ComfyUI's neutral names: ``diffusion_model.<maker's module>``, ``text_encoders.clip_l.transformer.<module>``.

OneTrainer's OMI files say ``clip_l.<module>``, ``clip_g.<module>`` and ``t5.<module>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...modules.parts import PARTS, TEXT_ENCODER, TRANSFORMER, UNET, list_prefixes
from ...modules.spellings import to_file_name
from ..module_keys import find_key
from .base import Dialect, ModuleKey, Rejection, join_key

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = list_prefixes("comfy")
_OTHER_ENCODER = re.compile(r"(?:text_encoders\.\w+|t5|llama|gemma|qwen)\.(?:transformer\.)?")
"""Text encoders that only some models have: by ComfyUI's names, and by OMI's."""


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """Any LoRA suffix behind a full module name."""
    for prefix, part in PREFIXES.items():
        if key.startswith(prefix):
            return find_key(part, key.removeprefix(prefix), file)
    if (found := _OTHER_ENCODER.match(key)) is not None:
        return find_key(TEXT_ENCODER, key[found.end() :], file)
    return Rejection(f"does not start with {', '.join(PREFIXES)}", foreign=True)


def spell(module: str, suffix: str) -> str | None:
    """The part's first prefix; diffusers' names of modules are read as well as LDM's."""
    part, _, name = module.partition(".")
    prefix = PARTS[UNET if part == TRANSFORMER else part].comfy[0]
    return join_key(f"{prefix}{to_file_name(part, name)}", suffix)


DIALECT = Dialect("comfy", "ComfyUI generic", 40, locate, spell)
