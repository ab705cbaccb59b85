"""Z-Image: base and Turbo. ComfyUI's files join q, k and v, and name the layers as Lumina 2's do."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import QWEN3_4B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_STEM = """
all_x_embedder.2-1 | x_embedder | d c
all_final_layer.2-1.linear | final_layer.linear | c d
all_final_layer.2-1.adaLN_modulation.1 | final_layer.adaLN_modulation.1 | d a
t_embedder.mlp.0 | = | 1024 256
t_embedder.mlp.2 | = | a 1024
cap_embedder.0 | = | RMSNorm t
cap_embedder.1 | = | d t
x_pad_token | = | 1 d | value
cap_pad_token | = | 1 d | value
"""
_BLOCK = """
{0}.#.attention.norm_q | {0}.#.attention.q_norm | RMSNorm h
{0}.#.attention.norm_k | {0}.#.attention.k_norm | RMSNorm h
{0}.#.attention.to_q | {0}.#.attention.qkv | d d | plain
{0}.#.attention.to_k | {0}.#.attention.qkv | d d | plain
{0}.#.attention.to_v | {0}.#.attention.qkv | d d | plain
{0}.#.attention.to_out.0 | {0}.#.attention.out | d d | plain
{0}.#.feed_forward.w1 | = | m d | plain
{0}.#.feed_forward.w2 | = | d m | plain
{0}.#.feed_forward.w3 | = | m d | plain
{0}.#.attention_norm1 | = | RMSNorm d
{0}.#.attention_norm2 | = | RMSNorm d
{0}.#.ffn_norm1 | = | RMSNorm d
{0}.#.ffn_norm2 | = | RMSNorm d
"""
_MODULATION = "{0}.#.adaLN_modulation.0 | = | 4d a\n"
_BLOCKS = {"noise_refiner": "N", "context_refiner": "C", "layers": "L"}
Z_IMAGE = Transformer(
    read_layers(
        _STEM
        + "".join(_BLOCK.format(name) for name in _BLOCKS)
        + "".join(_MODULATION.format(name) for name in ("layers", "noise_refiner"))
    ),
    {
        **{"layers": 30, "noise_refiner": 2, "context_refiner": 2},
        **{"d": 3840, "m": 10240, "h": 128, "c": 64, "t": 2560, "a": 256},
    },
    model_class="ZImageTransformer2DModel",
    blocks=_BLOCKS,
)
ARCHITECTURE = Architecture(
    "z_image",
    title="Z-Image",
    family="Z-Image",
    rank=1,
    header_words={"turbo": "Turbo"},
    networks={TRANSFORMER: Z_IMAGE, TEXT_ENCODER: QWEN3_4B},
    trainer_names=("zimage", "z_image", "z-image"),
    metadata={"ss_base_model_version": "zimage", "modelspec.architecture": "z-image"},
)
