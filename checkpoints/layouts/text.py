"""Keys of CLIP text encoders, of transformers and of OpenCLIP → transformers' names without `text_model.`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...adapters.modules.parts import TEXT_ENCODER
from ...adapters.modules.spellings import find_custom_name
from ...adapters.modules.targets import FUSED, PROJECTIONS, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEMS = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_PROJECTION = "text_projection"


def name_text_keys(keys: Iterable[str]) -> dict[str, Slot]:
    """Name in a CLIPTextModel (a text projection included) → where it stands; what has no place is left out.

    keys: without the prefix of a checkpoint. OpenCLIP's q, k, v are thirds of one weight, and its projection is
    transposed.
    """
    found: dict[str, Slot] = {}
    for key in keys:
        name = key.removeprefix("transformer.text_model.").removeprefix("text_model.")
        name = name if "resblocks." in name else name.removeprefix("transformer.")
        found.update(_locate(name.removeprefix("text_model."), key))
    return found


def _locate(name: str, key: str) -> dict[str, Slot]:
    if name in _STEMS:
        return {_STEMS[name]: Slot(key)}
    if name == _PROJECTION:
        return {f"{_PROJECTION}.weight": Slot(key, transposed=True)}
    if name.startswith("transformer.resblocks."):
        return _locate_block(name, key)
    if re.match(r"embeddings\.\w+_embedding\.|encoder\.layers\.|final_layer_norm\.|text_projection\.", name):
        return {name: Slot(key)}
    return {}


def _locate_block(name: str, key: str) -> dict[str, Slot]:
    for ending, parameter in FUSED.items():
        if name.endswith(f".{ending}"):
            layer = name.split(".")[2]
            stem = f"encoder.layers.{layer}.self_attn"
            return {f"{stem}.{part}.{parameter}": Slot(key, third) for third, part in enumerate(PROJECTIONS)}
    module, _, suffix = name.rpartition(".")
    own = find_custom_name(TEXT_ENCODER, module)
    return {f"{own}.{suffix}": Slot(key)} if own else {}
