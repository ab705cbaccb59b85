"""Writes transformers.json.gz: every layer with weights of the transformers that diffusers has, at released sizes.

Run with a Python that has diffusers 0.42.1; the classes are made on the meta device, nothing is downloaded. Per model:
diffusers' name with # for the number of a block → class, shape, whether it has a bias, numbers of the blocks.
"""

from __future__ import annotations

import gzip
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

FLUX2 = {"patch_size": 1, "in_channels": 128, "attention_head_dim": 128, "mlp_ratio": 3.0}
KLEIN = {**FLUX2, "guidance_embeds": False}
SD3 = {"in_channels": 16, "pos_embed_max_size": 192, "joint_attention_dim": 4096, "pooled_projection_dim": 2048}
WAN = {"attention_head_dim": 128, "num_attention_heads": 40, "num_layers": 40, "ffn_dim": 13824}
ANIMA = {"in_channels": 16, "out_channels": 16, "num_attention_heads": 16, "attention_head_dim": 128, "mlp_ratio": 4.0}
PIXART = {"num_layers": 28, "caption_channels": 4096, "out_channels": 8, "norm_type": "ada_norm_single"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "flux1 dev": ("FluxTransformer2DModel", {"guidance_embeds": True}),
    "flux1 schnell": ("FluxTransformer2DModel", {"guidance_embeds": False}),
    "flux1 Fill": ("FluxTransformer2DModel", {"guidance_embeds": True, "in_channels": 384, "out_channels": 64}),
    "flux1 Canny or Depth": (
        "FluxTransformer2DModel",
        {"guidance_embeds": True, "in_channels": 128, "out_channels": 64},
    ),
    "chroma": ("ChromaTransformer2DModel", {}),
    "flux2 dev": ("Flux2Transformer2DModel", {}),
    "flux2 Klein 4B": (
        "Flux2Transformer2DModel",
        {**KLEIN, "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680},
    ),
    "flux2 Klein 9B": (
        "Flux2Transformer2DModel",
        {**KLEIN, "num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288},
    ),
    "sd3 3 medium": (
        "SD3Transformer2DModel",
        {**SD3, "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536},
    ),
    "sd3 3.5 medium": (
        "SD3Transformer2DModel",
        {
            **SD3,
            **{"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "qk_norm": "rms_norm"},
            **{"dual_attention_layers": tuple(range(13)), "pos_embed_max_size": 384},
        },
    ),
    "sd3 3.5 large": (
        "SD3Transformer2DModel",
        {**SD3, "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"},
    ),
    "qwen_image": ("QwenImageTransformer2DModel", {}),
    "z_image": ("ZImageTransformer2DModel", {}),
    "wan 14B": ("WanTransformer3DModel", WAN),
    "wan 2.1 14B from pictures": (
        "WanTransformer3DModel",
        {**WAN, "in_channels": 36, "out_channels": 16, "image_dim": 1280, "added_kv_proj_dim": 5120},
    ),
    "wan 2.2 14B from pictures": ("WanTransformer3DModel", {**WAN, "in_channels": 36, "out_channels": 16}),
    "wan 2.1 1.3B": ("WanTransformer3DModel", {**WAN, "num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960}),
    "wan 2.2 5B": (
        "WanTransformer3DModel",
        {
            **{**WAN, "num_attention_heads": 24, "num_layers": 30, "ffn_dim": 14336},
            **{"in_channels": 48, "out_channels": 48},
        },
    ),
    "anima": (
        "CosmosTransformer3DModel",
        {**ANIMA, "num_layers": 28, "text_embed_dim": 1024, "adaln_lora_dim": 256, "extra_pos_embed_type": None},
    ),
    "krea2": ("Krea2Transformer2DModel", {}),
    "lumina2": ("Lumina2Transformer2DModel", {"cap_feat_dim": 2304}),
    "hunyuan_video": ("HunyuanVideoTransformer3DModel", {}),
    "ltx 2B": ("LTXVideoTransformer3DModel", {}),
    "ltx 13B": (
        "LTXVideoTransformer3DModel",
        {"num_layers": 48, "attention_head_dim": 128, "cross_attention_dim": 4096},
    ),
    "pixart alpha": ("PixArtTransformer2DModel", {**PIXART, "use_additional_conditions": True}),
    "pixart sigma": ("PixArtTransformer2DModel", {**PIXART, "use_additional_conditions": False}),
    "auraflow": ("AuraFlowTransformer2DModel", {}),
    "sana 1.6B": ("SanaTransformer2DModel", {}),
    "sana 0.6B": (
        "SanaTransformer2DModel",
        {
            **{"num_layers": 28, "num_attention_heads": 36, "attention_head_dim": 32},
            **{"num_cross_attention_heads": 16, "cross_attention_head_dim": 72, "cross_attention_dim": 1152},
        },
    ),
    "ernie": ("ErnieImageTransformer2DModel", {}),
}
CLASSES = {"FP32LayerNorm": "LayerNorm", "Krea2RMSNorm": "RMSNorm"}
"""diffusers' own classes of the same kind."""


def list_layers(name: str, arguments: dict[str, Any]) -> dict[str, tuple[str, list[int], bool]]:
    """Layers with weights of their own, by name."""
    with torch.device("meta"):
        model = getattr(import_module("diffusers"), name)(**arguments)
    found: dict[str, tuple[str, list[int], bool]] = {}
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "weight" in own:
            kind = type(module).__name__
            found[path] = (CLASSES.get(kind, kind), list(own["weight"].shape), "bias" in own)
    return found


def group(layers: dict[str, tuple[str, list[int], bool]]) -> dict[str, list[Any]]:
    """The same with one entry for layers that differ only in the number of their block."""
    found: dict[str, list[Any]] = {}
    for name, (kind, shape, bias) in layers.items():
        number = re.search(r"(?<=\.)\d+(?=\.)|(?<=norms\.)\d+", name)
        blocked = number is not None and re.search(r"(blocks|layers|refiner|norms)\.$", name[: number.start()])
        template = f"{name[: number.start()]}#{name[number.end() :]}" if number and blocked else name
        entry = found.setdefault(f"{template} {kind} {shape} {bias}", [template, kind, shape, bias, []])
        if number and blocked:
            entry[4].append(int(number[0]))
    return found


if __name__ == "__main__":
    lists = {model: list(group(list_layers(*made)).values()) for model, made in MODELS.items()}
    text = json.dumps(lists, separators=(",", ":"))
    path = Path(__file__).parent / "transformers.json.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
