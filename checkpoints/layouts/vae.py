"""Keys of the autoencoder in the layout of the original files and of earlier diffusers → diffusers' names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...adapters.modules.targets import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_EARLIER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_TO_ATTENTION = {name: own for own, name in _ATTENTION.items()}
_TO_MIDDLE = re.compile(r"mid_block\.(?:resnets\.(\d)\.(\w+)|attentions\.0\.([\w.]+))")
_TO_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(?:resnets\.(\d+)\.(\w+)|(?:down|up)samplers\.0\.conv)")
_BLOCK = re.compile(r"(down|up)\.(\d+)\.(?:block\.(\d+)\.(\w+)|(down|up)sample\.conv)")
_MIDDLE = re.compile(r"mid\.(?:block_([12])\.(\w+)|attn_1\.(\w+))")
_OLD = re.compile(r"mid_block\.attentions\.0\.(query|key|value|proj_attn)")


def name_vae_keys(keys: Iterable[str]) -> dict[str, Slot]:
    """Name in diffusers' AutoencoderKL → where it stands. keys: without prefix, in any layout."""
    names = list(keys)
    levels = 1 + max((int(m[1]) for name in names if (m := re.match(r"decoder\.up\.(\d+)\.", name))), default=-1)
    return {_name_key(key, levels): Slot(key) for key in names}


def _name_key(key: str, levels: int) -> str:
    half, _, rest = key.partition(".")
    if half not in ("encoder", "decoder"):
        return key
    module, _, suffix = rest.rpartition(".")
    return f"{half}.{_name_module(module, levels)}.{suffix}"


def _name_module(module: str, levels: int) -> str:
    if match := _OLD.fullmatch(module):
        return f"mid_block.attentions.0.{_EARLIER[match[1]]}"
    if module == "norm_out":
        return "conv_norm_out"
    if match := _MIDDLE.fullmatch(module):
        if match[1] is not None:
            return f"mid_block.resnets.{int(match[1]) - 1}.{_name_layer(match[2])}"
        return f"mid_block.attentions.0.{_ATTENTION.get(match[3], match[3])}"
    if (match := _BLOCK.fullmatch(module)) is None:
        return module
    side, level = match[1], int(match[2])
    block = f"{side}_blocks.{level if side == 'down' else levels - 1 - level}"
    if match[3] is None:
        return f"{block}.{side}samplers.0.conv"
    return f"{block}.resnets.{match[3]}.{_name_layer(match[4])}"


def _name_layer(layer: str) -> str:
    return "conv_shortcut" if layer == "nin_shortcut" else layer


def name_original_key(name: str, levels: int) -> str:
    """Key in a single file, without prefix, of a name in diffusers' AutoencoderKL with so many levels."""
    half, _, rest = name.partition(".")
    if half not in ("encoder", "decoder"):
        return name
    module, _, suffix = rest.rpartition(".")
    return f"{half}.{_name_original(module, levels)}.{suffix}"


def _name_original(module: str, levels: int) -> str:
    if module == "conv_norm_out":
        return "norm_out"
    if match := _TO_MIDDLE.fullmatch(module):
        if match[1] is not None:
            return f"mid.block_{int(match[1]) + 1}.{_name_original_layer(match[2])}"
        return f"mid.attn_1.{_TO_ATTENTION.get(match[3], match[3])}"
    if (match := _TO_BLOCK.fullmatch(module)) is None:
        return module
    side, level = match[1], int(match[2])
    block = f"{side}.{level if side == 'down' else levels - 1 - level}"
    if match[3] is None:
        return f"{block}.{side}sample.conv"
    return f"{block}.block.{match[3]}.{_name_original_layer(match[4])}"


def _name_original_layer(layer: str) -> str:
    return "nin_shortcut" if layer == "conv_shortcut" else layer
