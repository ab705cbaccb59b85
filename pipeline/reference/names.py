"""Names of the reference model's weights in the layout of the first Stable Diffusion files (LDM).

Sources: CompVis/stable-diffusion (UNet, VAE, text encoder), lllyasviel/ControlNet, Stability AI's Control-LoRAs.
"""

from __future__ import annotations

import re

from ...adapters.modules.spellings import to_ldm_name

PREFIXES = {"unet": "model.diffusion_model.", "vae": "first_stage_model.", "text_encoder": "cond_stage_model."}
_LAST = 3
"""Index of the last level of a VAE."""
_VAE_ENDS = {
    "conv_norm_out": "norm_out",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
}


def name_unet_key(key: str, modules: frozenset[str]) -> str:
    """Key of a UNet2DConditionModel in LDM's layout, without prefix. modules: names of all of its modules."""
    module, _, suffix = key.rpartition(".")
    return f"{to_ldm_name(module, modules)}.{suffix}"


def name_text_key(key: str) -> str:
    """Key of a CLIPTextModel, of any transformers, in LDM's layout, without prefix."""
    return f"transformer.text_model.{key.removeprefix('text_model.')}"


def name_vae_key(key: str) -> str:
    """Key of an AutoencoderKL in LDM's layout, without prefix."""
    half, _, rest = key.partition(".")
    if half not in ("encoder", "decoder"):
        return key
    module, _, suffix = rest.rpartition(".")
    return f"{half}.{_VAE_ENDS.get(module) or _name_vae_block(module)}.{suffix}"


def name_control_key(key: str, modules: frozenset[str]) -> str:
    """Key of a ControlNetModel in the layout of the first ControlNets, without prefix. modules: those of the UNet."""
    module, _, suffix = key.rpartition(".")
    if match := re.fullmatch(r"controlnet_down_blocks\.(\d+)", module):
        return f"zero_convs.{match[1]}.0.{suffix}"
    if module == "controlnet_mid_block":
        return f"middle_block_out.0.{suffix}"
    if match := re.fullmatch(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))", module):
        index = {"conv_in": 0, "conv_out": 14}.get(match[1])
        return f"input_hint_block.{2 * int(match[2]) + 2 if index is None else index}.{suffix}"
    return name_unet_key(key, modules)


def _name_vae_block(module: str) -> str:
    module = module.replace("conv_shortcut", "nin_shortcut")
    if match := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.*)", module):
        return f"mid.block_{int(match[1]) + 1}.{match[2]}"
    if match := re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", module):
        side, level, kind, index, rest = match.groups()
        level = level if side == "down" else _LAST - int(level)
        return f"{side}.{level}.block.{index}.{rest}" if kind == "resnets" else f"{side}.{level}.{side}sample.{rest}"
    return module
