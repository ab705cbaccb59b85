"""Lumina Image 2.0."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import GEMMA2_2B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_STEM = """
x_embedder | = | d c
time_caption_embed.timestep_embedder.linear_1 | t_embedder.mlp.0 | a 256
time_caption_embed.timestep_embedder.linear_2 | t_embedder.mlp.2 | a a
time_caption_embed.caption_embedder.0 | cap_embedder.0 | RMSNorm t
time_caption_embed.caption_embedder.1 | cap_embedder.1 | d t
norm_out.linear_1 | final_layer.adaLN_modulation.1 | d a
norm_out.linear_2 | final_layer.linear | c d
"""
_BLOCK = """
{0}.#.attn.norm_q | {0}.#.attention.q_norm | RMSNorm h
{0}.#.attn.norm_k | {0}.#.attention.k_norm | RMSNorm h
{0}.#.attn.to_q | {0}.#.attention.qkv | d d | plain
{0}.#.attn.to_k | {0}.#.attention.qkv | k d | plain
{0}.#.attn.to_v | {0}.#.attention.qkv | k d | plain
{0}.#.attn.to_out.0 | {0}.#.attention.out | d d | plain
{0}.#.feed_forward.linear_1 | {0}.#.feed_forward.w1 | m d | plain
{0}.#.feed_forward.linear_2 | {0}.#.feed_forward.w2 | d m | plain
{0}.#.feed_forward.linear_3 | {0}.#.feed_forward.w3 | m d | plain
{0}.#.norm2 | {0}.#.attention_norm2 | RMSNorm d
{0}.#.ffn_norm1 | = | RMSNorm d
{0}.#.ffn_norm2 | = | RMSNorm d
"""
_MODULATION = """
{0}.#.norm1.linear | {0}.#.adaLN_modulation.1 | 4d a
{0}.#.norm1.norm | {0}.#.attention_norm1 | RMSNorm d
"""
_BLOCKS = {"noise_refiner": "N", "context_refiner": "C", "layers": "L"}
LUMINA2 = Transformer(
    read_layers(
        _STEM
        + "".join(_BLOCK.format(name) for name in _BLOCKS)
        + "".join(_MODULATION.format(name) for name in ("layers", "noise_refiner"))
        + "context_refiner.#.norm1 | context_refiner.#.attention_norm1 | RMSNorm d\n"
    ),
    {
        **{"layers": 26, "noise_refiner": 2, "context_refiner": 2},
        **{"d": 2304, "k": 768, "m": 9216, "h": 96, "c": 64, "t": 2304, "a": 1024},
    },
    model_class="Lumina2Transformer2DModel",
    blocks=_BLOCKS,
)
ARCHITECTURE = Architecture(
    "lumina2",
    title="Lumina 2",
    family="Lumina 2",
    networks={TRANSFORMER: LUMINA2, TEXT_ENCODER: GEMMA2_2B},
    trainer_names=("lumina-2", "lumina2", "lumina"),
    metadata={"ss_base_model_version": "lumina2", "modelspec.architecture": "lumina-2"},
)
