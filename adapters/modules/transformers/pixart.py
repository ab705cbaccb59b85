"""PixArt-alpha and -sigma."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import T5_XXL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
pos_embed.proj | x_embedder.proj | Conv2d d c 2 2
adaln_single.emb.timestep_embedder.linear_1 | t_embedder.mlp.0 | d 256
adaln_single.emb.timestep_embedder.linear_2 | t_embedder.mlp.2 | d d
adaln_single.emb.resolution_embedder.linear_1 | csize_embedder.mlp.0 | s 256 | if=s
adaln_single.emb.resolution_embedder.linear_2 | csize_embedder.mlp.2 | s s | if=s
adaln_single.emb.aspect_ratio_embedder.linear_1 | ar_embedder.mlp.0 | s 256 | if=s
adaln_single.emb.aspect_ratio_embedder.linear_2 | ar_embedder.mlp.2 | s s | if=s
adaln_single.linear | t_block.1 | 6d d
caption_projection.linear_1 | y_embedder.y_proj.fc1 | d t | if=t
caption_projection.linear_2 | y_embedder.y_proj.fc2 | d d | if=t
caption_projection.y_embedding | y_embedder.y_embedding | 120 t | value
transformer_blocks.#.attn1.to_q | blocks.#.attn.qkv | d d
transformer_blocks.#.attn1.to_k | blocks.#.attn.qkv | d d
transformer_blocks.#.attn1.to_v | blocks.#.attn.qkv | d d
transformer_blocks.#.attn1.to_out.0 | blocks.#.attn.proj | d d
transformer_blocks.#.attn2.to_q | blocks.#.cross_attn.q_linear | d d
transformer_blocks.#.attn2.to_k | blocks.#.cross_attn.kv_linear | d d
transformer_blocks.#.attn2.to_v | blocks.#.cross_attn.kv_linear | d d
transformer_blocks.#.attn2.to_out.0 | blocks.#.cross_attn.proj | d d
transformer_blocks.#.ff.net.0.proj | blocks.#.mlp.fc1 | m d
transformer_blocks.#.ff.net.2 | blocks.#.mlp.fc2 | d m
transformer_blocks.#.scale_shift_table | blocks.#.scale_shift_table | 6 d | value
scale_shift_table | final_layer.scale_shift_table | 2 d | value
proj_out | final_layer.linear | o d
"""
ALPHA = Transformer(
    read_layers(_LAYERS),
    {"transformer_blocks": 28, "d": 1152, "m": 4608, "c": 4, "o": 32, "t": 4096, "s": 384},
    model_class="PixArtTransformer2DModel",
    blocks={"transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "pixart",
    title="PixArt",
    family="PixArt",
    rank=5,
    networks={TRANSFORMER: ALPHA, TEXT_ENCODER: T5_XXL},
    trainer_names=("pixart",),
    metadata={"ss_base_model_version": "pixart", "modelspec.architecture": "pixart-sigma"},
    variants={"alpha": ALPHA, "sigma": ALPHA.resize(s=0)},
)
