"""Writes transformers.json.gz: every layer with weights of transformers and their text encoders, at released sizes.

Run with a Python that has diffusers 0.42.1 and transformers; the classes are made on the meta device, nothing is
downloaded. Per model: name with # for the number of a block → class, shape, whether it has a bias, numbers of blocks.
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
T5 = {"num_layers": 24, "d_model": 4096, "d_ff": 10240, "num_heads": 64, "vocab_size": 32128, "d_kv": 64}
T5 |= {"feed_forward_proj": "gated-gelu"}


def decoder(layers: int, width: int, inner: int, heads: int, groups: int) -> dict[str, Any]:
    """Arguments of a configuration."""
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    return {
        **dict(zip(names, (layers, width, inner, heads, groups), strict=True)),
        "vocab_size": 151936,
        "head_dim": 128,
    }


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
    "wan 2.1 VACE 14B": ("WanVACETransformer3DModel", WAN),
    "wan 2.1 VACE 1.3B": (
        "WanVACETransformer3DModel",
        {
            **{**WAN, "num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960},
            "vace_layers": list(range(0, 30, 2)),
        },
    ),
    "wan 2.2 Animate 14B": ("WanAnimateTransformer3DModel", {**WAN, "added_kv_proj_dim": 5120}),
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
ENCODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "t5xxl": ("T5EncoderModel", "T5Config", T5),
    "umt5xxl": ("UMT5EncoderModel", "UMT5Config", {**T5, "vocab_size": 256384}),
    "pile_t5xl": ("UMT5EncoderModel", "UMT5Config", {**T5, "d_model": 2048, "d_ff": 5120, "num_heads": 32}),
    "gemma2_2b": ("Gemma2Model", "Gemma2Config", {"vocab_size": 256000}),
    "qwen3_06b": ("Qwen3Model", "Qwen3Config", decoder(28, 1024, 3072, 16, 8)),
    "qwen3_4b": ("Qwen3Model", "Qwen3Config", decoder(36, 2560, 9728, 32, 8)),
    "qwen3_8b": ("Qwen3Model", "Qwen3Config", decoder(36, 4096, 12288, 32, 8)),
    "qwen25_7b": ("Qwen2Model", "Qwen2Config", {**decoder(28, 3584, 18944, 28, 4), "vocab_size": 152064}),
    "llama": ("LlamaModel", "LlamaConfig", {**decoder(32, 4096, 14336, 32, 8), "vocab_size": 128320}),
    "mistral3_24b": ("MistralModel", "MistralConfig", {**decoder(40, 5120, 32768, 32, 8), "vocab_size": 131072}),
}
"""By ComfyUI's name: class and configuration of transformers; Qwen2.5-VL and Mistral 3 as their language models."""
CLASSES = {"FP32LayerNorm": "LayerNorm", "Krea2RMSNorm": "RMSNorm", "Gemma2TextScaledWordEmbedding": "Embedding"}
"""Own classes of diffusers and transformers of the same kind."""

SKIPPED = ("motion_encoder.",)
"""Beginnings of names of layers that are of no ordinary class."""


def list_layers(name: str, arguments: dict[str, Any]) -> dict[str, tuple[str, list[int], bool]]:
    """Layers with weights of their own, by name."""
    with torch.device("meta"):
        model = getattr(import_module("diffusers"), name)(**arguments)
    return walk(model)


def list_encoder_layers(name: str, config: str, arguments: dict[str, Any]) -> dict[str, tuple[str, list[int], bool]]:
    """The same of a text encoder."""
    library = import_module("transformers")
    with torch.device("meta"):
        return walk(getattr(library, name)(getattr(library, config)(**arguments)))


def walk(model: torch.nn.Module) -> dict[str, tuple[str, list[int], bool]]:
    """Layers with weights of their own, by name; an embedding that two names share under the first."""
    found: dict[str, tuple[str, list[int], bool]] = {}
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "weight" in own and not path.startswith(SKIPPED):
            kind = type(module).__name__
            kind = "RMSNorm" if kind.endswith(("RMSNorm", "LayerNorm")) and "bias" not in own else kind
            found[path] = (CLASSES.get(kind, kind), list(own["weight"].shape), "bias" in own)
    return found


def group(layers: dict[str, tuple[str, list[int], bool]]) -> dict[str, list[Any]]:
    """The same with one entry for layers that differ only in the number of their block."""
    found: dict[str, list[Any]] = {}
    for name, (kind, shape, bias) in layers.items():
        number = re.search(r"(?<=\.)\d+(?=\.)|(?<=norms\.)\d+", name)
        before = "" if number is None else name[: number.start()]
        blocked = re.search(r"(blocks?|layers|refiner|norms|face_adapter)\.$", before)
        template = f"{name[: number.start()]}#{name[number.end() :]}" if number and blocked else name
        entry = found.setdefault(f"{template} {kind} {shape} {bias}", [template, kind, shape, bias, []])
        if number and blocked:
            entry[4].append(int(number[0]))
    return found


if __name__ == "__main__":
    lists = {encoder: list(group(list_encoder_layers(*made)).values()) for encoder, made in ENCODERS.items()}
    lists |= {model: list(group(list_layers(*made)).values()) for model, made in MODELS.items()}
    text = json.dumps(lists, separators=(",", ":"))
    path = Path(__file__).parent / "transformers.json.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
