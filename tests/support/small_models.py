"""Checkpoints with every key of SD1, SD2 and SDXL, in tensors of a few numbers; made without diffusers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from .checkpoint_models import save
from .official import key_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

LISTS = {
    "sd1": ("sd15_unet_ldm", "sd15_checkpoint_te"),
    "sd2": ("sd21_unet_ldm", "sd21_checkpoint_te"),
    "sdxl": ("sdxl_unet_ldm", "sdxl_checkpoint_te"),
}
UNETS = {"sd1": "sd15_unet_diffusers", "sd2": "sd21_unet_diffusers", "sdxl": "sdxl_unet_diffusers"}
"""diffusers' own names."""
_RESNETS = ("norm1.weight", "norm1.bias", "conv1.weight", "conv1.bias", "norm2.weight", "conv2.weight")
_MOST = 2


def make_vae() -> dict[str, list[int]]:
    """Keys and shapes of a VAE of four levels in a single file, without prefix."""
    names: dict[str, list[int]] = {"quant_conv.weight": [8, 8, 1, 1], "post_quant_conv.weight": [4, 4, 1, 1]}
    for half, side, count in (("encoder", "down", 2), ("decoder", "up", 3)):
        names |= {
            f"{half}.conv_in.weight": [32, 4, 3, 3],
            f"{half}.norm_out.weight": [32],
            f"{half}.conv_out.bias": [8],
        }
        blocks = [f"{side}.{level}.block.{index}" for level in range(4) for index in range(count)]
        for block in (*blocks, "mid.block_1", "mid.block_2"):
            names |= {f"{half}.{block}.{name}": [32, 32, 3, 3] if "conv" in name else [32] for name in _RESNETS}
        names[f"{half}.{side}.1.block.0.nin_shortcut.weight"] = [32, 32, 1, 1]
        for level in range(3):
            names[f"{half}.{side}.{level if side == 'down' else level + 1}.{side}sample.conv.bias"] = [32]
        names |= {f"{half}.mid.attn_1.{name}.weight": [32, 32, 1, 1] for name in ("q", "k", "v", "proj_out")}
        names |= {f"{half}.mid.attn_1.{name}.bias": [32] for name in ("norm", "q", "k", "v", "proj_out")}
    return names


def make_file(family: str, seed: int = 0) -> dict[str, Tensor]:
    """Every key of a single file, with numbers in half precision; sizes are cut down, channels of first layers kept."""
    unet, encoders = LISTS[family]
    shapes = {f"model.diffusion_model.{key}": shape for key, shape in key_list(unet).items()}
    shapes |= {f"first_stage_model.{key}": shape for key, shape in make_vae().items()} | key_list(encoders)
    draw = torch.Generator().manual_seed(seed)
    return {key: _draw(key, shape, draw) for key, shape in shapes.items()}


def _draw(key: str, shape: list[int], draw: torch.Generator) -> Tensor:
    small = [min(size, 4 if "conv_in" in key or "input_blocks.0.0" in key else _MOST) for size in shape]
    if ".in_proj_" in key:
        small[0] = 3 * _MOST
    if key.endswith("label_emb.0.0.weight"):
        small[1] = 3
    return (torch.randn(small, generator=draw) * 0.1).half()


def write_networks(folder: Path, networks: Mapping[str, dict[str, Tensor]], kind: str) -> Path:
    """Networks in the form of diffusers, with the least that says what they are."""
    index: dict[str, object] = {"_class_name": kind}
    for name, tensors in networks.items():
        file = "model" if name.startswith("text_encoder") else "diffusion_pytorch_model"
        save(folder / name / f"{file}.safetensors", tensors, {"format": "pt"})
        (folder / name / "config.json").write_text(json.dumps({"_class_name": name}))
        index[name] = ["diffusers", name]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
