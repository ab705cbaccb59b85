"""Flux.1: dev, schnell, Kontext, Fill, Canny and Depth."""

from __future__ import annotations

from ..architecture import Architecture
from ..encoders import CLIP_L
from ..language_models import T5_XXL
from ..parts import TEXT_ENCODER, TEXT_ENCODER_2, TRANSFORMER
from ..transformer import Transformer, read_layers

ATTENTION = """
transformer_blocks.#.attn.norm_q | double_blocks.#.img_attn.norm.query_norm.scale | RMSNorm h
transformer_blocks.#.attn.norm_k | double_blocks.#.img_attn.norm.key_norm.scale | RMSNorm h
transformer_blocks.#.attn.to_q | double_blocks.#.img_attn.qkv | d d
transformer_blocks.#.attn.to_k | double_blocks.#.img_attn.qkv | d d
transformer_blocks.#.attn.to_v | double_blocks.#.img_attn.qkv | d d
transformer_blocks.#.attn.to_out.0 | double_blocks.#.img_attn.proj | d d
transformer_blocks.#.attn.norm_added_q | double_blocks.#.txt_attn.norm.query_norm.scale | RMSNorm h
transformer_blocks.#.attn.norm_added_k | double_blocks.#.txt_attn.norm.key_norm.scale | RMSNorm h
transformer_blocks.#.attn.add_q_proj | double_blocks.#.txt_attn.qkv | d d
transformer_blocks.#.attn.add_k_proj | double_blocks.#.txt_attn.qkv | d d
transformer_blocks.#.attn.add_v_proj | double_blocks.#.txt_attn.qkv | d d
transformer_blocks.#.attn.to_add_out | double_blocks.#.txt_attn.proj | d d
single_transformer_blocks.#.attn.norm_q | single_blocks.#.norm.query_norm.scale | RMSNorm h
single_transformer_blocks.#.attn.norm_k | single_blocks.#.norm.key_norm.scale | RMSNorm h
"""
BLOCKS = """
transformer_blocks.#.ff.net.0.proj | double_blocks.#.img_mlp.0 | m d
transformer_blocks.#.ff.net.2 | double_blocks.#.img_mlp.2 | d m
transformer_blocks.#.ff_context.net.0.proj | double_blocks.#.txt_mlp.0 | m d
transformer_blocks.#.ff_context.net.2 | double_blocks.#.txt_mlp.2 | d m
single_transformer_blocks.#.attn.to_q | single_blocks.#.linear1 | d d
single_transformer_blocks.#.attn.to_k | single_blocks.#.linear1 | d d
single_transformer_blocks.#.attn.to_v | single_blocks.#.linear1 | d d
single_transformer_blocks.#.proj_mlp | single_blocks.#.linear1 | m d
single_transformer_blocks.#.proj_out | single_blocks.#.linear2 | d d+m
context_embedder | txt_in | d t
x_embedder | img_in | d c
proj_out | final_layer.linear | o d
"""
_MODULATION = """
transformer_blocks.#.norm1.linear | double_blocks.#.img_mod.lin | 6d d
transformer_blocks.#.norm1_context.linear | double_blocks.#.txt_mod.lin | 6d d
single_transformer_blocks.#.norm.linear | single_blocks.#.modulation.lin | 3d d
time_text_embed.timestep_embedder.linear_1 | time_in.in_layer | d 256
time_text_embed.timestep_embedder.linear_2 | time_in.out_layer | d d
time_text_embed.guidance_embedder.linear_1 | guidance_in.in_layer | d g | if=g
time_text_embed.guidance_embedder.linear_2 | guidance_in.out_layer | d d | if=g
time_text_embed.text_embedder.linear_1 | vector_in.in_layer | d v
time_text_embed.text_embedder.linear_2 | vector_in.out_layer | d d
norm_out.linear | final_layer.adaLN_modulation.1 | 2d d | swapped
"""
NAMES = {"transformer_blocks": "D", "single_transformer_blocks": "S"}
DEV = Transformer(
    read_layers(ATTENTION + BLOCKS + _MODULATION),
    {
        **{"transformer_blocks": 19, "single_transformer_blocks": 38},
        **{"d": 3072, "m": 12288, "h": 128, "c": 64, "o": 64, "t": 4096, "v": 768, "g": 256},
    },
    model_class="FluxTransformer2DModel",
    blocks=NAMES,
)
ARCHITECTURE = Architecture(
    "flux1",
    title="Flux.1",
    family="Flux.1",
    rank=0,
    encoder_blocks=("CLIP", "T5"),
    header_words={"kontext": "Kontext", "schnell": "schnell", "krea": "Krea", "fill": "Fill"},
    networks={TRANSFORMER: DEV, TEXT_ENCODER: CLIP_L, TEXT_ENCODER_2: T5_XXL},
    trainer_names=("flux-1", "flux1", "flux"),
    metadata={"ss_base_model_version": "flux1", "modelspec.architecture": "flux-1-dev"},
    variants={
        "dev": DEV,
        "schnell": DEV.resize(g=0),
        "Fill": DEV.resize(c=384),
        "Canny or Depth": DEV.resize(c=128),
    },
)
