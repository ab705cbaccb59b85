"""SD3 and SD3.5: medium and large."""

from __future__ import annotations

from ..architecture import Architecture
from ..encoders import CLIP_L, OPENCLIP_BIGG
from ..language_models import T5_XXL
from ..parts import TEXT_ENCODER, TEXT_ENCODER_2, TEXT_ENCODER_3, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
pos_embed.pos_embed | pos_embed | 1 p d | value
pos_embed.proj | x_embedder.proj | Conv2d d c 2 2
context_embedder | = | d t
time_text_embed.timestep_embedder.linear_1 | t_embedder.mlp.0 | d 256
time_text_embed.timestep_embedder.linear_2 | t_embedder.mlp.2 | d d
time_text_embed.text_embedder.linear_1 | y_embedder.mlp.0 | d v
time_text_embed.text_embedder.linear_2 | y_embedder.mlp.2 | d d
transformer_blocks.#.norm1.linear | joint_blocks.#.x_block.adaLN_modulation.1 | 9d d | first
transformer_blocks.#.norm1.linear | joint_blocks.#.x_block.adaLN_modulation.1 | 6d d | later
transformer_blocks.#.norm1_context.linear | joint_blocks.#.context_block.adaLN_modulation.1 | 6d d | inner
transformer_blocks.#.norm1_context.linear | joint_blocks.#.context_block.adaLN_modulation.1 | 2d d | last swapped
transformer_blocks.#.attn.norm_q | joint_blocks.#.x_block.attn.ln_q | RMSNorm h | if=h
transformer_blocks.#.attn.norm_k | joint_blocks.#.x_block.attn.ln_k | RMSNorm h | if=h
transformer_blocks.#.attn.to_q | joint_blocks.#.x_block.attn.qkv | d d
transformer_blocks.#.attn.to_k | joint_blocks.#.x_block.attn.qkv | d d
transformer_blocks.#.attn.to_v | joint_blocks.#.x_block.attn.qkv | d d
transformer_blocks.#.attn.add_q_proj | joint_blocks.#.context_block.attn.qkv | d d
transformer_blocks.#.attn.add_k_proj | joint_blocks.#.context_block.attn.qkv | d d
transformer_blocks.#.attn.add_v_proj | joint_blocks.#.context_block.attn.qkv | d d
transformer_blocks.#.attn.to_out.0 | joint_blocks.#.x_block.attn.proj | d d
transformer_blocks.#.attn.to_add_out | joint_blocks.#.context_block.attn.proj | d d | inner
transformer_blocks.#.attn.norm_added_q | joint_blocks.#.context_block.attn.ln_q | RMSNorm h | if=h
transformer_blocks.#.attn.norm_added_k | joint_blocks.#.context_block.attn.ln_k | RMSNorm h | if=h
transformer_blocks.#.attn2.norm_q | joint_blocks.#.x_block.attn2.ln_q | RMSNorm h | first if=h
transformer_blocks.#.attn2.norm_k | joint_blocks.#.x_block.attn2.ln_k | RMSNorm h | first if=h
transformer_blocks.#.attn2.to_q | joint_blocks.#.x_block.attn2.qkv | d d | first
transformer_blocks.#.attn2.to_k | joint_blocks.#.x_block.attn2.qkv | d d | first
transformer_blocks.#.attn2.to_v | joint_blocks.#.x_block.attn2.qkv | d d | first
transformer_blocks.#.attn2.to_out.0 | joint_blocks.#.x_block.attn2.proj | d d | first
transformer_blocks.#.ff.net.0.proj | joint_blocks.#.x_block.mlp.fc1 | m d
transformer_blocks.#.ff.net.2 | joint_blocks.#.x_block.mlp.fc2 | d m
transformer_blocks.#.ff_context.net.0.proj | joint_blocks.#.context_block.mlp.fc1 | m d | inner
transformer_blocks.#.ff_context.net.2 | joint_blocks.#.context_block.mlp.fc2 | d m | inner
norm_out.linear | final_layer.adaLN_modulation.1 | 2d d | swapped
proj_out | final_layer.linear | o d
"""
SD3_MEDIUM = Transformer(
    read_layers(_LAYERS),
    {
        **{"transformer_blocks": 24, "first": 0},
        **{"d": 1536, "m": 6144, "h": 0, "c": 16, "o": 64, "t": 4096, "v": 2048, "p": 36864},
    },
    model_class="SD3Transformer2DModel",
    blocks={"transformer_blocks": "B"},
)
SD35_MEDIUM = SD3_MEDIUM.resize(first=13, h=64, p=147456)
SD35_LARGE = SD3_MEDIUM.resize(transformer_blocks=38, d=2432, m=9728, h=64)
ARCHITECTURE = Architecture(
    "sd3",
    title="SD3",
    family="SD3",
    rank=2,
    networks={TRANSFORMER: SD35_LARGE, TEXT_ENCODER: CLIP_L, TEXT_ENCODER_2: OPENCLIP_BIGG, TEXT_ENCODER_3: T5_XXL},
    trainer_names=("stable-diffusion-3", "stable-diffusion-v3", "sd3"),
    metadata={"ss_base_model_version": "sd3_m", "modelspec.architecture": "stable-diffusion-3-medium"},
    variants={"3 medium": SD3_MEDIUM, "3.5 medium": SD35_MEDIUM, "3.5 large": SD35_LARGE},
)
