"""Layers of the text encoders of models with transformers: trainers number these differently, names tell them apart.

T5 is ``te3`` in sd-scripts' files for Flux.1, ``te2`` in OneTrainer's, and ``te1`` or ``te`` where it is alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES
from ..modules.language_models import LanguageModel
from ..modules.layers import TextEncoder
from .dialects.base import ModuleKey, Rejection, find_dotted, find_module, split_key

if TYPE_CHECKING:
    from ..modules.layers import Network

_CLIP = re.compile(r"text_model[._]|encoder[._]layers[._]\d|resblocks[._]\d|(^|[._])text_projection|embeddings[._]")


def find_encoder_key(part: str, key: str, architecture: str) -> ModuleKey | Rejection:
    """A dotted key inside a text encoder of a model, suffix included. part: by the file's prefix."""
    pair = split_key(key)
    stems = [pair] if pair is not None else []
    steps = key.split(".")
    stems += [(".".join(steps[:length]), ".".join(steps[length:])) for length in range(len(steps) - 1, 0, -1)]
    for name, suffix in stems:
        own, network = _choose(part, name, architecture)
        if isinstance(network, LanguageModel):
            return ModuleKey(f"{own}.{network.find_name(name)}", suffix, name)
        if isinstance(network, TextEncoder):
            return find_dotted(own, key)
    return _reject((pair or (key, ""))[0], architecture)


def find_encoder_layer(part: str, name: str, suffix: str, architecture: str) -> ModuleKey | Rejection:
    """A layer inside a text encoder of a model by its name in any spelling."""
    own, network = _choose(part, name, architecture)
    if isinstance(network, LanguageModel):
        return ModuleKey(f"{own}.{network.find_name(name)}", suffix, name)
    return find_module(own, name, suffix) if network is not None else _reject(name, architecture)


def _choose(part: str, name: str, architecture: str) -> tuple[str, Network | None]:
    """The encoder with layers of such names, that of the prefix before others; None where the model has none."""
    networks = ARCHITECTURES[architecture].networks
    fits = [own for own, network in networks.items() if _knows(network, name)]
    own = part if part in fits else next(iter(fits), part)
    return own, networks[own] if own in fits else None


def _knows(network: Network, name: str) -> bool:
    if isinstance(network, TextEncoder):
        return _CLIP.search(name) is not None
    return isinstance(network, LanguageModel) and network.find_name(name) is not None


def _reject(name: str, architecture: str) -> Rejection:
    title = ARCHITECTURES[architecture].title
    return Rejection(f"no text encoder of {title} that is known here has a layer {name[:80]!r}")
