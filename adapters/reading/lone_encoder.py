"""Which text encoder a file means that names one without a number: the refiner has only the second."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..modules.architectures import SDXL_REFINER, UNET_MODELS
from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

_FIRST, _SECOND = (
    {encoder.width for model in UNET_MODELS.values() if (encoder := model.encoders.get(part))}
    for part in (TEXT_ENCODER, TEXT_ENCODER_2)
)
_FIRST_LAYERS = max(
    model.encoders[TEXT_ENCODER].layers for model in UNET_MODELS.values() if TEXT_ENCODER in model.encoders
)
_REFINER = UNET_MODELS[SDXL_REFINER]
_NUMBERED = re.compile(r"(lora|lycoris)_te[12]_|text_encoder(_2)?\.|(text_encoders\.)?clip_")
_LAYER = re.compile(r"(?:layers|resblocks)[._](\d{1,3})[._](.*)")
_READS_WIDTH = re.compile(r"(self_attn[._]([qkv]|out)_proj|mlp[._]fc1)\..*(down|lora_A|w[12]_b|diff$)")
_CROSS = re.compile(r"attn2[._]to_[kv]\..*(down|lora_A|w[12]_b|diff$)")


def find_lone_encoder(tensors: Mapping[str, Tensor]) -> str:
    """Part that the keys of a text encoder without a number are for, by width, number of layers and the UNet beside."""
    if any(key.startswith(("lora_te2_", "lycoris_te2_")) for key in tensors):
        return TEXT_ENCODER
    layers, widths = set[int](), set[int]()
    for layer, tail, tensor in _list_layers(tensors):
        layers.add(layer)
        if _READS_WIDTH.match(tail) and tensor.ndim >= 2:
            widths.add(tensor.shape[1])
    if widths & _FIRST:
        return TEXT_ENCODER
    deep = max(layers, default=0) >= _FIRST_LAYERS
    return TEXT_ENCODER_2 if deep or widths & _SECOND or (not widths and _beside_refiner(tensors)) else TEXT_ENCODER


def _list_layers(tensors: Mapping[str, Tensor]) -> Iterator[tuple[int, str, Tensor]]:
    for key, tensor in tensors.items():
        if not _NUMBERED.match(key) and (found := _LAYER.search(key)) is not None and "attn2" not in key:
            yield int(found[1]), found[2], tensor


def _beside_refiner(tensors: Mapping[str, Tensor]) -> bool:
    return any(t.ndim >= 2 and t.shape[1] == _REFINER.context for key, t in tensors.items() if _CROSS.search(key))
