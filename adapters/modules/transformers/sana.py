"""Sana 1.6B and 0.6B."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import GEMMA2_2B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
patch_embed.proj | x_embedder.proj | Conv2d d c 1 1
time_embed.emb.timestep_embedder.linear_1 | t_embedder.mlp.0 | d 256
time_embed.emb.timestep_embedder.linear_2 | t_embedder.mlp.2 | d d
time_embed.linear | t_block.1 | 6d d
caption_projection.linear_1 | y_embedder.y_proj.fc1 | d t
caption_projection.linear_2 | y_embedder.y_proj.fc2 | d d
caption_norm | attention_y_norm | RMSNorm d
transformer_blocks.#.attn1.to_q | blocks.#.attn.qkv | d d | plain
transformer_blocks.#.attn1.to_k | blocks.#.attn.qkv | d d | plain
transformer_blocks.#.attn1.to_v | blocks.#.attn.qkv | d d | plain
transformer_blocks.#.attn1.to_out.0 | blocks.#.attn.proj | d d
transformer_blocks.#.attn2.to_q | blocks.#.cross_attn.q_linear | d d
transformer_blocks.#.attn2.to_k | blocks.#.cross_attn.kv_linear | d d
transformer_blocks.#.attn2.to_v | blocks.#.cross_attn.kv_linear | d d
transformer_blocks.#.attn2.to_out.0 | blocks.#.cross_attn.proj | d d
transformer_blocks.#.ff.conv_inverted | blocks.#.mlp.inverted_conv.conv | Conv2d 2m d 1 1
transformer_blocks.#.ff.conv_depth | blocks.#.mlp.depth_conv.conv | Conv2d 2m 1 3 3
transformer_blocks.#.ff.conv_point | blocks.#.mlp.point_conv.conv | Conv2d d m 1 1 | plain
transformer_blocks.#.scale_shift_table | blocks.#.scale_shift_table | 6 d | value
scale_shift_table | final_layer.scale_shift_table | 2 d | value
proj_out | final_layer.linear | c d
"""
SANA_1_6B = Transformer(
    read_layers(_LAYERS),
    {"transformer_blocks": 20, "d": 2240, "m": 5600, "c": 32, "t": 2304},
    model_class="SanaTransformer2DModel",
    blocks={"transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "sana",
    title="Sana",
    family="Sana",
    networks={TRANSFORMER: SANA_1_6B, TEXT_ENCODER: GEMMA2_2B},
    trainer_names=("sana",),
    metadata={"ss_base_model_version": "sana", "modelspec.architecture": "sana"},
    variants={"1.6B": SANA_1_6B, "0.6B": SANA_1_6B.resize(transformer_blocks=28, d=1152, m=2880)},
)
