"""Chroma, a Flux.1 whose modulation one small network gives."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import T5_XXL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers
from .flux1 import ATTENTION, BLOCKS, NAMES

_GUIDANCE = """
distilled_guidance_layer.in_proj | = | a c
distilled_guidance_layer.layers.#.linear_1 | distilled_guidance_layer.layers.#.in_layer | a a
distilled_guidance_layer.layers.#.linear_2 | distilled_guidance_layer.layers.#.out_layer | a a
distilled_guidance_layer.norms.# | distilled_guidance_layer.norms.#.scale | RMSNorm a
distilled_guidance_layer.out_proj | = | d a
"""
CHROMA = Transformer(
    read_layers(ATTENTION + BLOCKS + _GUIDANCE),
    {
        **{"transformer_blocks": 19, "single_transformer_blocks": 38},
        **{"distilled_guidance_layer.layers": 5, "distilled_guidance_layer.norms": 5},
        **{"d": 3072, "m": 12288, "h": 128, "c": 64, "o": 64, "t": 4096, "a": 5120},
    },
    model_class="ChromaTransformer2DModel",
    blocks=NAMES,
)
ARCHITECTURE = Architecture(
    "chroma",
    title="Chroma",
    family="Chroma",
    rank=3,
    encoder_blocks=("CLIP", "T5"),
    header_words={"radiance": "Radiance"},
    networks={TRANSFORMER: CHROMA, TEXT_ENCODER: T5_XXL},
    trainer_names=("chroma",),
    metadata={"ss_base_model_version": "chroma", "modelspec.architecture": "chroma"},
)
