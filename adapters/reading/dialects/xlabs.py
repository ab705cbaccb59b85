"""XLabs' Flux.1 LoRAs: ``double_blocks.0.processor.qkv_lora1.down.weight``, by attention processors; no alpha.

In a double block 1 is the picture's side and 2 the text's. A single block's factors are for q, k and v alone, the first
rows of its joined layer: the rows of the MLP, which follow, are given zeros.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ...modules.architectures import ARCHITECTURES
from ...modules.parts import TRANSFORMER
from ..transformer_keys import find_layer
from .base import Dialect, ModuleKey, Rejection

if TYPE_CHECKING:
    from torch import Tensor

    from ..files import RawFile

_KEY = re.compile(
    r"(?:diffusion_model\.|transformer\.)?((?:double|single)_blocks\.\d+)\.processor\."
    r"((?:qkv|proj)_lora[12]?)\.(?:(down|up)\.weight|(.+))"
)
_LAYERS = {
    "qkv_lora1": "img_attn.qkv",
    "qkv_lora2": "txt_attn.qkv",
    "proj_lora1": "img_attn.proj",
    "proj_lora2": "txt_attn.proj",
    "qkv_lora": "linear1",
    "proj_lora": "linear2",
}
_SPELT = {
    "double": {"attn.to_out.0": "proj_lora1", "attn.to_add_out": "proj_lora2"},
    "single": {"proj_out": "proj_lora"},
}
_MODULE = re.compile(rf"{TRANSFORMER}\.(single_)?transformer_blocks\.(\d+)\.(.+)")
_SIDES = {"lora_up.weight": "up", "lora_down.weight": "down"}
_PROJECTIONS = 3
"""q, k and v."""


def locate(key: str, file: RawFile) -> ModuleKey | Rejection:
    """By the block and the name of the layer."""
    found = _KEY.fullmatch(key)
    if found is None:
        return Rejection("names no attention layer of Flux.1 as XLabs does", foreign=True)
    suffix = f"lora_{found[3]}.weight" if found[3] else found[4]
    return find_layer(f"{found[1]}.{_LAYERS.get(found[2], found[2])}", suffix, file)


def widen_single_blocks(file: RawFile) -> RawFile:
    """Factors for q, k and v of single blocks as factors of the whole joined layer."""
    changed = {key: wide for key, tensor in file.tensors.items() if (wide := _widen(key, tensor, file)) is not None}
    return replace(file, tensors={**file.tensors, **changed}) if changed else file


def _widen(key: str, tensor: Tensor, file: RawFile) -> Tensor | None:
    found = _KEY.fullmatch(key)
    if found is None or found[2] != "qkv_lora" or found[3] != "up" or tensor.ndim != 2:
        return None
    model = ARCHITECTURES[file.architecture].transformer if file.architecture in ARCHITECTURES else None
    width = tensor.shape[0] // _PROJECTIONS
    if model is None or tensor.shape[0] != _PROJECTIONS * width:
        return None
    rows = width * model.numbers["m"] // model.numbers["d"]
    return torch.cat([tensor, tensor.new_zeros(rows, tensor.shape[1])])


def spell(module: str, suffix: str) -> str | None:
    """Plain LoRA on the layers behind attention."""
    found = _MODULE.fullmatch(module)
    if found is None or suffix not in _SIDES:
        return None
    kind = "single" if found[1] else "double"
    layer = _SPELT[kind].get(found[3])
    return None if layer is None else f"{kind}_blocks.{found[2]}.processor.{layer}.{_SIDES[suffix]}.weight"


DIALECT = Dialect("xlabs", "XLabs Flux.1", 25, locate, spell, prepare=widen_single_blocks)
