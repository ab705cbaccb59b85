"""ComfyUI's neutral names: ``diffusion_model.<LDM module>``, ``text_encoders.clip_l.transformer.<module>``.

OneTrainer's OMI files say ``clip_l.<module>`` and ``clip_g.<module>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...modules.parts import PARTS, list_prefixes
from ...modules.spellings import to_file_name
from .base import Dialect, ModuleKey, Rejection, find_dotted, join_key

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = list_prefixes("comfy")


def locate(key: str, _: RawFile) -> ModuleKey | Rejection:
    """Any LoRA suffix behind a full module name."""
    for prefix, part in PREFIXES.items():
        if key.startswith(prefix):
            return find_dotted(part, key.removeprefix(prefix))
    return Rejection(f"does not start with {', '.join(PREFIXES)}", foreign=True)


def spell(module: str, suffix: str) -> str | None:
    """The part's first prefix; diffusers' names of modules are read as well as LDM's."""
    part, _, name = module.partition(".")
    return join_key(f"{PARTS[part].comfy[0]}{to_file_name(part, name)}", suffix)


DIALECT = Dialect("comfy", "ComfyUI generic", 40, locate, spell)
