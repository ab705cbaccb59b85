"""Small whole checkpoints in the LDM layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL

from underdrawing.adapters.modules.spellings import to_ldm_name, to_openclip_name

if TYPE_CHECKING:
    from torch import Tensor

    from underdrawing.adapters.modules.layers import Module, TextEncoder, UNet

UNET = "model.diffusion_model."


def sd15(dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
    made = _unet(SD15, seed) | _clip("cond_stage_model.transformer.text_model.", CLIP, seed + 1)
    made["first_stage_model.decoder.conv_in.weight"] = torch.randn(4, 4, 3, 3)
    made["model_ema.diffusion_modelinput_blocks00weight"] = torch.randn(8, 4, 3, 3)
    return {name: tensor.to(dtype) for name, tensor in made.items()} | {"model_ema.num_updates": torch.tensor(7)}


def sdxl(seed: int = 0) -> dict[str, Tensor]:
    made = _unet(SDXL, seed) | _clip("conditioner.embedders.0.transformer.text_model.", CLIP, seed + 1)
    return made | _openclip("conditioner.embedders.1.model.", BIGG, seed + 2)


def _weights(modules: dict[str, Module], seed: int) -> dict[str, Tensor]:
    generator, made = torch.Generator().manual_seed(seed), dict[str, "Tensor"]()
    for name, module in modules.items():
        shape = (8, module.shape[1]) if module.kind == "Embedding" else module.shape
        made[f"{name}.weight"] = torch.randn(shape, generator=generator)
        if module.bias:
            made[f"{name}.bias"] = torch.randn(shape[0], generator=generator)
    return made


def _unet(shape: UNet, seed: int) -> dict[str, Tensor]:
    names, made = frozenset(shape.modules()), dict[str, "Tensor"]()
    for key, tensor in _weights(shape.modules(), seed).items():
        module, _, parameter = key.rpartition(".")
        made[f"{UNET}{to_ldm_name(module, names)}.{parameter}"] = tensor
    return made


def _clip(prefix: str, shape: TextEncoder, seed: int) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in _weights(shape.modules(), seed).items()}


def _openclip(prefix: str, shape: TextEncoder, seed: int) -> dict[str, Tensor]:
    weights, made = _weights(shape.modules(), seed), dict[str, "Tensor"]()
    for layer in range(shape.layers):
        for kind in ("weight", "bias"):
            rows = [weights.pop(f"encoder.layers.{layer}.self_attn.{name}_proj.{kind}") for name in "qkv"]
            made[f"{prefix}transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(rows)
    for key, tensor in weights.items():
        module, _, parameter = key.rpartition(".")
        name = to_openclip_name(module)
        if name in ("text_projection", "positional_embedding"):
            made[f"{prefix}{name}"] = tensor.T.contiguous() if name == "text_projection" else tensor
        else:
            made[f"{prefix}{name}.{parameter}"] = tensor
    return made
