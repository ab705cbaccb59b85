"""Flux.2: dev, Klein 4B and Klein 9B. None of its layers has a bias."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import MISTRAL3_24B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers
from .flux1 import ATTENTION, NAMES

_OWN = """
transformer_blocks.#.ff.linear_in | double_blocks.#.img_mlp.0 | 2m d
transformer_blocks.#.ff.linear_out | double_blocks.#.img_mlp.2 | d m
transformer_blocks.#.ff_context.linear_in | double_blocks.#.txt_mlp.0 | 2m d
transformer_blocks.#.ff_context.linear_out | double_blocks.#.txt_mlp.2 | d m
single_transformer_blocks.#.attn.to_qkv_mlp_proj | single_blocks.#.linear1 | 3d+2m d
single_transformer_blocks.#.attn.to_out | single_blocks.#.linear2 | d d+m
double_stream_modulation_img.linear | double_stream_modulation_img.lin | 6d d
double_stream_modulation_txt.linear | double_stream_modulation_txt.lin | 6d d
single_stream_modulation.linear | single_stream_modulation.lin | 3d d
time_guidance_embed.timestep_embedder.linear_1 | time_in.in_layer | d 256
time_guidance_embed.timestep_embedder.linear_2 | time_in.out_layer | d d
time_guidance_embed.guidance_embedder.linear_1 | guidance_in.in_layer | d g | if=g
time_guidance_embed.guidance_embedder.linear_2 | guidance_in.out_layer | d d | if=g
context_embedder | txt_in | d t
x_embedder | img_in | d c
proj_out | final_layer.linear | c d
norm_out.linear | final_layer.adaLN_modulation.1 | 2d d | swapped
"""
DEV = Transformer(
    tuple(layer._replace(bias=False) for layer in read_layers(ATTENTION + _OWN)),
    {
        **{"transformer_blocks": 8, "single_transformer_blocks": 48},
        **{"d": 6144, "m": 18432, "h": 128, "c": 128, "t": 15360, "g": 256},
    },
    model_class="Flux2Transformer2DModel",
    blocks=NAMES,
)
KLEIN_4B = DEV.resize(transformer_blocks=5, single_transformer_blocks=20, d=3072, m=9216, t=7680, g=0)
KLEIN_9B = DEV.resize(transformer_blocks=8, single_transformer_blocks=24, d=4096, m=12288, t=12288, g=0)
ARCHITECTURE = Architecture(
    "flux2",
    title="Flux.2",
    family="Flux.2",
    rank=2,
    networks={TRANSFORMER: DEV, TEXT_ENCODER: MISTRAL3_24B},
    trainer_names=("flux-2", "flux2", "flux.2"),
    metadata={"ss_base_model_version": "flux2", "modelspec.architecture": "flux-2-dev"},
    variants={"dev": DEV, "Klein 4B": KLEIN_4B, "Klein 9B": KLEIN_9B},
)
