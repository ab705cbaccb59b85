"""Where a key belongs once its dialect has told the part: in a UNet, a transformer or a text encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES
from ..modules.parts import TRANSFORMER, UNET
from .dialects.base import ModuleKey, Rejection, find_dotted, find_module, split_key
from .encoder_parts import choose_encoder
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
    if part not in DENOISERS:
        return _name_model(find_dotted(choose_encoder(part, key, file), key), key, file)
    if is_for_transformer(file):
        return find_transformer_key(key, file)
    return _NO_TRANSFORMER if part == TRANSFORMER else find_dotted(part, key)


def find_name(part: str, name: str, suffix: str, file: RawFile) -> ModuleKey | Rejection:
    """A module inside a part by its name in any spelling."""
    if part not in DENOISERS:
        return _name_model(find_module(choose_encoder(part, name, file), name, suffix), name, file)
    if is_for_transformer(file):
        return find_layer(name, suffix, file)
    return _NO_TRANSFORMER if part == TRANSFORMER else find_module(part, name, suffix)


def _name_model(found: ModuleKey | Rejection, name: str, file: RawFile) -> ModuleKey | Rejection:
    """Why a text encoder's layer is not known, in the words of the file's own model."""
    if isinstance(found, ModuleKey) or not is_for_transformer(file):
        return found
    title = ARCHITECTURES[file.architecture].title
    layer = (split_key(name) or (name, ""))[0]
    return Rejection(f"no text encoder of {title} that is known here has a layer {layer[:80]!r}", found.foreign)
