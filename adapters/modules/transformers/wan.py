"""Wan 2.1 and 2.2: from text and from pictures; of 2.2's two experts each is a model of its own."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import UMT5_XXL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
patch_embedding | = | Conv3d d c 1 2 2
condition_embedder.time_embedder.linear_1 | time_embedding.0 | d 256
condition_embedder.time_embedder.linear_2 | time_embedding.2 | d d
condition_embedder.time_proj | time_projection.1 | 6d d
condition_embedder.text_embedder.linear_1 | text_embedding.0 | d t
condition_embedder.text_embedder.linear_2 | text_embedding.2 | d d
condition_embedder.image_embedder.norm1 | img_emb.proj.0 | LayerNorm i | if=i
condition_embedder.image_embedder.ff.net.0.proj | img_emb.proj.1 | i i | if=i
condition_embedder.image_embedder.ff.net.2 | img_emb.proj.3 | d i | if=i
condition_embedder.image_embedder.norm2 | img_emb.proj.4 | LayerNorm d | if=i
blocks.#.attn1.to_q | blocks.#.self_attn.q | d d
blocks.#.attn1.to_k | blocks.#.self_attn.k | d d
blocks.#.attn1.to_v | blocks.#.self_attn.v | d d
blocks.#.attn1.to_out.0 | blocks.#.self_attn.o | d d
blocks.#.attn1.norm_q | blocks.#.self_attn.norm_q | RMSNorm d
blocks.#.attn1.norm_k | blocks.#.self_attn.norm_k | RMSNorm d
blocks.#.attn2.to_q | blocks.#.cross_attn.q | d d
blocks.#.attn2.to_k | blocks.#.cross_attn.k | d d
blocks.#.attn2.to_v | blocks.#.cross_attn.v | d d
blocks.#.attn2.to_out.0 | blocks.#.cross_attn.o | d d
blocks.#.attn2.norm_q | blocks.#.cross_attn.norm_q | RMSNorm d
blocks.#.attn2.norm_k | blocks.#.cross_attn.norm_k | RMSNorm d
blocks.#.attn2.add_k_proj | blocks.#.cross_attn.k_img | d d | if=i
blocks.#.attn2.add_v_proj | blocks.#.cross_attn.v_img | d d | if=i
blocks.#.attn2.norm_added_k | blocks.#.cross_attn.norm_k_img | RMSNorm d | if=i
blocks.#.norm2 | blocks.#.norm3 | LayerNorm d
blocks.#.ffn.net.0.proj | blocks.#.ffn.0 | m d
blocks.#.ffn.net.2 | blocks.#.ffn.2 | d m
blocks.#.scale_shift_table | blocks.#.modulation | 1 6 d | value
scale_shift_table | head.modulation | 1 2 d | value
proj_out | head.head | o d
"""
WAN_14B = Transformer(
    read_layers(_LAYERS),
    {"blocks": 40, "d": 5120, "m": 13824, "c": 16, "o": 64, "t": 4096, "i": 0},
    model_class="WanTransformer3DModel",
    blocks={"blocks": "B"},
)
WAN_14B_PICTURE = WAN_14B.resize(c=36, i=1280)
WAN22_14B_PICTURE = WAN_14B.resize(c=36)
WAN_1_3B = WAN_14B.resize(blocks=30, d=1536, m=8960)
WAN22_5B = WAN_14B.resize(blocks=30, d=3072, m=14336, c=48, o=192)
ARCHITECTURE = Architecture(
    "wan",
    title="Wan",
    family="Wan",
    rank=1,
    networks={TRANSFORMER: WAN_14B, TEXT_ENCODER: UMT5_XXL},
    trainer_names=("wan",),
    metadata={"ss_base_model_version": "wan2.1", "modelspec.architecture": "wan2.1"},
    variants={
        "14B": WAN_14B,
        "2.1 14B from pictures": WAN_14B_PICTURE,
        "2.2 14B from pictures": WAN22_14B_PICTURE,
        "2.1 1.3B": WAN_1_3B,
        "2.2 5B": WAN22_5B,
    },
)
