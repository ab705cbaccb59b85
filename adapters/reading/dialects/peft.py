"""PEFT's ``save_pretrained``: ``base_model.model.<module>.lora_A.weight``, alpha in adapter_config.json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...modules.parts import PARTS
from .base import KNOWN, Dialect, Located, find, split

if TYPE_CHECKING:
    from ..files import RawFile

PREFIX = "base_model.model."
_CLASSES = {part.model_class: part.id for part in PARTS.values()}
_HEADS = tuple({suffix.split(".")[0] for suffix in KNOWN})
_ADAPTER = re.compile(rf"\.({'|'.join(map(re.escape, _HEADS))})\.[^.]+((?:\.weight|\.bias)?)$")


def locate(key: str, file: RawFile) -> Located | str:
    """The part is told by the config's base model class, else by whose module it is."""
    if not key.startswith(PREFIX):
        return f"does not start with {PREFIX}"
    rest = key.removeprefix(PREFIX)
    parts = split(rest) or split(_ADAPTER.sub(r".\1\2", rest))
    if parts is None:
        return "ends in no suffix of an adapter"
    name, suffix = parts
    mapping = file.config.get("auto_mapping") or {}
    part = _CLASSES.get(mapping.get("base_model_class", "")) if isinstance(mapping, dict) else None
    if part:
        return find(part, name, suffix)
    tries = [find(candidate, name, suffix) for candidate in PARTS]
    return next((found for found in tries if isinstance(found, Located)), tries[0])


DIALECT = Dialect("peft", "PEFT save_pretrained", 10, locate)
