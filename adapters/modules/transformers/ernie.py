"""Ernie-Image: one set of names everywhere."""

from __future__ import annotations

from ..architecture import Architecture
from ..parts import TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
x_embedder.proj | = | Conv2d d c 1 1
text_proj | = | d t | plain
time_embedding.linear_1 | = | d d
time_embedding.linear_2 | = | d d
adaLN_modulation.1 | = | 6d d
layers.#.adaLN_sa_ln | = | RMSNorm d
layers.#.self_attention.to_q | = | d d | plain
layers.#.self_attention.to_k | = | d d | plain
layers.#.self_attention.to_v | = | d d | plain
layers.#.self_attention.norm_q | = | RMSNorm h
layers.#.self_attention.norm_k | = | RMSNorm h
layers.#.self_attention.to_out.0 | = | d d | plain
layers.#.adaLN_mlp_ln | = | RMSNorm d
layers.#.mlp.gate_proj | = | m d | plain
layers.#.mlp.up_proj | = | m d | plain
layers.#.mlp.linear_fc2 | = | d m | plain
final_norm.linear | = | 2d d
final_linear | = | o d
"""
ERNIE = Transformer(
    read_layers(_LAYERS),
    {"layers": 24, "d": 3072, "m": 8192, "h": 128, "c": 128, "o": 128, "t": 2560},
    model_class="ErnieImageTransformer2DModel",
    blocks={"layers": "L"},
)
ARCHITECTURE = Architecture(
    "ernie",
    title="Ernie-Image",
    family="Ernie-Image",
    networks={TRANSFORMER: ERNIE},
    trainer_names=("ernie",),
    metadata={"ss_base_model_version": "ernie_image", "modelspec.architecture": "ernie-image"},
)
