"""PEFT's ``save_pretrained``: ``base_model.model.<module>.lora_A.weight``, alpha in adapter_config.json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...modules.parts import PARTS, UNET
from ...modules.spellings import to_file_name
from ...modules.wrappers import strip_wrappers
from ..module_keys import find_key
from .base import PEFT, Dialect, ModuleKey, Rejection, join_key

if TYPE_CHECKING:
    from ..files import RawFile

PREFIX = PEFT
_CLASSES = {part.model_class: part.id for part in PARTS.values()}
_ENCODER = re.compile(r"(text_model\.|encoder\.layers\.|embeddings\.|final_layer_norm\.|text_projection\.)")


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """The part is known by the key, by the config's base model class, else by whose module it is."""
    if not key.startswith(PEFT):
        return Rejection(f"does not start with {PEFT}", foreign=True)
    rest = strip_wrappers(key)
    part, _, inner = rest.partition(".")
    if part in PARTS:
        return find_key(part, inner, file)
    mapping = file.config.get("auto_mapping") or {}
    if (own := file.path.parent.name) in PARTS:  # a folder of one part of a model
        return find_key(own, rest, file)
    part = _CLASSES.get(mapping.get("base_model_class", "")) if isinstance(mapping, dict) else None
    return find_key(part or (file.lone_encoder if _ENCODER.match(rest) else UNET), rest, file)


def spell(module: str, suffix: str) -> str | None:
    """The module as files have it; the config says which model it is of."""
    part, _, name = module.partition(".")
    return join_key(f"{PEFT}{to_file_name(part, name)}", suffix)


def config(part: str) -> dict[str, Any]:
    """The entry of adapter_config.json that tells the part."""
    return {"auto_mapping": {"base_model_class": PARTS[part].model_class}}


DIALECT = Dialect("peft", "PEFT save_pretrained", 10, locate, spell, config=config)
