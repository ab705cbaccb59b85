"""kohya's sd-scripts, LyCORIS, OneTrainer and SimpleTuner: names with underscores up to the first dot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...modules.parts import PARTS, list_prefixes
from ...modules.spellings import to_file_name
from ..module_keys import find_name, is_for_transformer
from .base import Dialect, ModuleKey, Rejection, strip_adapter_name

if TYPE_CHECKING:
    from ..files import RawFile

PREFIXES = list_prefixes("kohya")
UNNUMBERED = ("lora_te_", "lycoris_te_")
"""Of a model's only text encoder, which is the second of the parts in SDXL's refiner."""


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """``lora_unet_down_blocks_0_..._to_q.lora_up.weight`` → its module, by dictionary."""
    stem, _dot, suffix = key.partition(".")
    for prefix, part in PREFIXES.items():
        if stem.startswith(prefix):
            owner = file.lone_encoder if prefix in UNNUMBERED and not is_for_transformer(file) else part
            name = stem.removeprefix(prefix).removeprefix("_orig_mod_").removeprefix("_")  # trained compiled; Wan Fun's
            return find_name(owner, name, strip_adapter_name(suffix), file)
    return Rejection(f"does not start with {', '.join(PREFIXES)}", foreign=True)


def spell(module: str, suffix: str) -> str:
    """Any kind of adapter on any module."""
    part, _, name = module.partition(".")
    return f"{PARTS[part].export}{to_file_name(part, name).replace('.', '_')}.{suffix}"


DIALECT = Dialect("kohya", "kohya sd-scripts / LyCORIS", 20, locate, spell)
