"""LTX-Video, not LTX-2."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import T5_XXL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_STEM = """
proj_in | patchify_proj | d c
time_embed.emb.timestep_embedder.linear_1 | adaln_single.emb.timestep_embedder.linear_1 | d 256
time_embed.emb.timestep_embedder.linear_2 | adaln_single.emb.timestep_embedder.linear_2 | d d
time_embed.linear | adaln_single.linear | 6d d
caption_projection.linear_1 | = | d t
caption_projection.linear_2 | = | d d
transformer_blocks.#.ff.net.0.proj | = | m d
transformer_blocks.#.ff.net.2 | = | d m
transformer_blocks.#.scale_shift_table | = | 6 d | value
scale_shift_table | = | 2 d | value
proj_out | = | c d
"""
_ATTENTION = """
transformer_blocks.#.{0}.norm_q | transformer_blocks.#.{0}.q_norm | RMSNorm d
transformer_blocks.#.{0}.norm_k | transformer_blocks.#.{0}.k_norm | RMSNorm d
transformer_blocks.#.{0}.to_q | = | d d
transformer_blocks.#.{0}.to_k | = | d d
transformer_blocks.#.{0}.to_v | = | d d
transformer_blocks.#.{0}.to_out.0 | = | d d
"""
LTX_2B = Transformer(
    read_layers(_STEM + _ATTENTION.format("attn1") + _ATTENTION.format("attn2")),
    {"transformer_blocks": 28, "d": 2048, "m": 8192, "c": 128, "t": 4096},
    model_class="LTXVideoTransformer3DModel",
    blocks={"transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "ltx",
    title="LTX-Video",
    family="LTX-Video",
    rank=5,
    networks={TRANSFORMER: LTX_2B, TEXT_ENCODER: T5_XXL},
    trainer_names=("ltx-video", "ltxv", "ltx_video"),
    metadata={"ss_base_model_version": "ltxv", "modelspec.architecture": "ltx-video"},
    variants={"2B": LTX_2B, "13B": LTX_2B.resize(transformer_blocks=48, d=4096, m=16384)},
)
