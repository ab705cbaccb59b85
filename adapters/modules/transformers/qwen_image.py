"""Qwen-Image and Qwen-Image-Edit: one set of names everywhere."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import QWEN25_VL_7B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
time_text_embed.timestep_embedder.linear_1 | = | d 256
time_text_embed.timestep_embedder.linear_2 | = | d d
txt_norm | = | RMSNorm t
img_in | = | d c
txt_in | = | d t
transformer_blocks.#.img_mod.1 | = | 6d d
transformer_blocks.#.txt_mod.1 | = | 6d d
transformer_blocks.#.attn.norm_q | = | RMSNorm h
transformer_blocks.#.attn.norm_k | = | RMSNorm h
transformer_blocks.#.attn.norm_added_q | = | RMSNorm h
transformer_blocks.#.attn.norm_added_k | = | RMSNorm h
transformer_blocks.#.attn.to_q | = | d d
transformer_blocks.#.attn.to_k | = | d d
transformer_blocks.#.attn.to_v | = | d d
transformer_blocks.#.attn.add_q_proj | = | d d
transformer_blocks.#.attn.add_k_proj | = | d d
transformer_blocks.#.attn.add_v_proj | = | d d
transformer_blocks.#.attn.to_out.0 | = | d d
transformer_blocks.#.attn.to_add_out | = | d d
transformer_blocks.#.img_mlp.net.0.proj | = | m d
transformer_blocks.#.img_mlp.net.2 | = | d m
transformer_blocks.#.txt_mlp.net.0.proj | = | m d
transformer_blocks.#.txt_mlp.net.2 | = | d m
norm_out.linear | = | 2d d
proj_out | = | o d
"""
QWEN_IMAGE = Transformer(
    read_layers(_LAYERS),
    {"transformer_blocks": 60, "d": 3072, "m": 12288, "h": 128, "c": 64, "o": 64, "t": 3584},
    model_class="QwenImageTransformer2DModel",
    blocks={"transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "qwen_image",
    title="Qwen-Image",
    family="Qwen-Image",
    rank=1,
    header_words={"edit": "Edit"},
    networks={TRANSFORMER: QWEN_IMAGE, TEXT_ENCODER: QWEN25_VL_7B},
    trainer_names=("qwen-image", "qwen_image", "qwen"),
    metadata={"ss_base_model_version": "qwen_image", "modelspec.architecture": "Qwen-Image"},
)
