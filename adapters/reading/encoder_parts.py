"""Which text encoder of a model a file means: trainers number them differently, names of layers tell them apart.

T5 is ``te3`` in sd-scripts' files for Flux.1, ``te2`` in OneTrainer's, and ``te1`` or ``te`` where it is alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES
from ..modules.language_models import T5
from ..modules.layers import TextEncoder

if TYPE_CHECKING:
    from ..modules.layers import Network
    from .files import RawFile

_T5 = re.compile(r"SelfAttention|DenseReluDense|(^|[._])encoder[._]block[._]\d")
_CLIP = re.compile(r"text_model[._]|encoder[._]layers[._]\d|resblocks[._]\d|(^|[._])text_projection")


def choose_encoder(part: str, name: str, file: RawFile) -> str:
    """Part of the text encoder that has layers of such names; the one that the prefix says where the model has none.

    part: by the prefix. name: of the layer, dotted or with underscores.
    """
    architecture = ARCHITECTURES.get(file.architecture)
    if architecture is None or architecture.transformer is None:
        return part
    fits = [own for own, network in architecture.networks.items() if _is_of_kind(network, name)]
    return part if part in fits or not fits else fits[0]


def _is_of_kind(network: Network, name: str) -> bool:
    if isinstance(network, TextEncoder):
        return _CLIP.search(name) is not None and _T5.search(name) is None
    return isinstance(network, T5) and _T5.search(name) is not None
