"""Keys of UNets and ControlNets in the layout of the original files → diffusers' names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...adapters.modules.ldm_layout import derive_names
from ...adapters.modules.spellings import to_ldm_name
from ...adapters.modules.targets import Slot
from ...adapters.modules.wrappers import strip_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterable

_HINTS = {0: "conv_in", 14: "conv_out"}
_OWN = re.compile(r"controlnet_down_blocks\.(\d+)")
_READER = re.compile(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))")
_CONTROL = re.compile(r"zero_convs\.(\d+)\.0|middle_block_out\.0|input_hint_block\.(\d+)")


def name_unet_keys(keys: Iterable[str]) -> dict[str, Slot]:
    """Name in diffusers' UNet2DConditionModel or ControlNetModel → where it stands.

    keys: without prefix, in the original layout or in diffusers'. What has no place in a network is left out.
    """
    plain = {strip_wrappers(key): key for key in keys}
    modules = {name.rpartition(".")[0] for name in plain}
    if not any(module.startswith("input_blocks.") for module in modules):
        return {name: Slot(key) for name, key in plain.items()}
    names = derive_names(modules)
    found: dict[str, Slot] = {}
    for name, key in plain.items():
        module, _, suffix = name.rpartition(".")
        if own := names.get(module) or name_control_module(module):
            found[f"{own}.{suffix}"] = Slot(key)
    return found


def name_control_module(module: str) -> str:
    """diffusers' name of what only ControlNets have; empty for everything else."""
    match = _CONTROL.fullmatch(module)
    if match is None:
        return ""
    if match[1] is not None:
        return f"controlnet_down_blocks.{match[1]}"
    if match[2] is None:
        return "controlnet_mid_block"
    index = int(match[2])
    return f"controlnet_cond_embedding.{_HINTS.get(index) or f'blocks.{index // 2 - 1}'}"


def name_control_key(key: str, modules: frozenset[str]) -> str:
    """Key of a ControlNetModel in the layout of the first ControlNets, without prefix. modules: those of the UNet."""
    module, _, suffix = key.rpartition(".")
    if match := _OWN.fullmatch(module):
        return f"zero_convs.{match[1]}.0.{suffix}"
    if module == "controlnet_mid_block":
        return f"middle_block_out.0.{suffix}"
    if match := _READER.fullmatch(module):
        index = {name: number for number, name in _HINTS.items()}.get(match[1])
        return f"input_hint_block.{2 * int(match[2]) + 2 if index is None else index}.{suffix}"
    return f"{to_ldm_name(module, modules)}.{suffix}"


def name_averaged_keys(keys: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Keys of training averages (`model_ema.`), whose dots are left out, by the name that they stand for.

    names: keys of a UNet in the original layout, without prefix.
    """
    undotted = {f"model_ema.diffusion_model{name.replace('.', '')}": name for name in names}
    return {undotted[key]: key for key in keys if key in undotted}
