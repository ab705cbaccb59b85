"""PEFT's ``save_pretrained``: ``base_model.model.<module>.lora_A.weight``, alpha in adapter_config.json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...modules.parts import PARTS
from ...modules.spellings import to_file_name
from .base import KNOWN, Dialect, ModuleKey, Rejection, find_module, join_key, split_key

if TYPE_CHECKING:
    from ..files import RawFile

PREFIX = "base_model.model."
_CLASSES = {part.model_class: part.id for part in PARTS.values()}
_HEADS = tuple({suffix.split(".")[0] for suffix in KNOWN})
_ADAPTER = re.compile(rf"\.({'|'.join(map(re.escape, _HEADS))})\.[^.]+((?:\.weight|\.bias)?)$")


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """The part is known by the config's base model class, else by whose module it is."""
    if not key.startswith(PREFIX):
        return Rejection(f"does not start with {PREFIX}", foreign=True)
    rest = key.removeprefix(PREFIX)
    pair = split_key(rest) or split_key(_ADAPTER.sub(r".\1\2", rest))
    if pair is None:
        return Rejection("ends in no suffix of an adapter")
    name, suffix = pair
    mapping = file.config.get("auto_mapping") or {}
    part = _CLASSES.get(mapping.get("base_model_class", "")) if isinstance(mapping, dict) else None
    if part:
        return find_module(part, name, suffix)
    tries = [find_module(candidate, name, suffix) for candidate in PARTS]
    return next((found for found in tries if isinstance(found, ModuleKey)), tries[0])


def spell(module: str, suffix: str) -> str | None:
    """The module as files have it; the config says which model it is of."""
    part, _, name = module.partition(".")
    return join_key(f"{PREFIX}{to_file_name(part, name)}", suffix)


def config(part: str) -> dict[str, Any]:
    """The entry of adapter_config.json that tells the part."""
    return {"auto_mapping": {"base_model_class": PARTS[part].model_class}}


DIALECT = Dialect("peft", "PEFT save_pretrained", 10, locate, spell, config=config)
