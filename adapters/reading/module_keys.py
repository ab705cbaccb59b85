"""Where a key belongs once its dialect has told the part: in a UNet, a transformer or a text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES
from ..modules.parts import TRANSFORMER, UNET
from .dialects.base import ModuleKey, Rejection, find_dotted, find_module
from .encoder_parts import find_encoder_key, find_encoder_layer
from .transformer_keys import find_layer, find_transformer_key

if TYPE_CHECKING:
    from .files import RawFile

DENOISERS = (UNET, TRANSFORMER)
_NO_TRANSFORMER = Rejection("names a transformer, and which model's cannot be told")


def is_for_transformer(file: RawFile) -> bool:
    """Whether the base model of a file denoises with a transformer."""
    architecture = ARCHITECTURES.get(file.architecture)
    return architecture is not None and architecture.transformer is not None


def find_key(part: str, key: str, file: RawFile) -> ModuleKey | Rejection:
    """A dotted key inside a part, suffix included."""
    if not is_for_transformer(file):
        return _NO_TRANSFORMER if part == TRANSFORMER else find_dotted(part, key)
    return find_transformer_key(key, file) if part in DENOISERS else find_encoder_key(part, key, file.architecture)


def find_name(part: str, name: str, suffix: str, file: RawFile) -> ModuleKey | Rejection:
    """A module inside a part by its name in any spelling."""
    if not is_for_transformer(file):
        return _NO_TRANSFORMER if part == TRANSFORMER else find_module(part, name, suffix)
    if part in DENOISERS:
        return find_layer(name, suffix, file)
    return find_encoder_layer(part, name, suffix, file.architecture)
