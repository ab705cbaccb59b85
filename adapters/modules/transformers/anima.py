"""Anima, built on Cosmos-Predict 2."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import QWEN3_06B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
patch_embed.proj | x_embedder.proj.1 | d c | plain
time_embed.t_embedder.linear_1 | t_embedder.1.linear_1 | d d | plain
time_embed.t_embedder.linear_2 | t_embedder.1.linear_2 | 3d d | plain
time_embed.norm | t_embedding_norm | RMSNorm d
transformer_blocks.#.norm1.linear_1 | blocks.#.adaln_modulation_self_attn.1 | a d | plain
transformer_blocks.#.norm1.linear_2 | blocks.#.adaln_modulation_self_attn.2 | 3d a | plain
transformer_blocks.#.norm2.linear_1 | blocks.#.adaln_modulation_cross_attn.1 | a d | plain
transformer_blocks.#.norm2.linear_2 | blocks.#.adaln_modulation_cross_attn.2 | 3d a | plain
transformer_blocks.#.norm3.linear_1 | blocks.#.adaln_modulation_mlp.1 | a d | plain
transformer_blocks.#.norm3.linear_2 | blocks.#.adaln_modulation_mlp.2 | 3d a | plain
transformer_blocks.#.attn1.norm_q | blocks.#.self_attn.q_norm | RMSNorm h
transformer_blocks.#.attn1.norm_k | blocks.#.self_attn.k_norm | RMSNorm h
transformer_blocks.#.attn1.to_q | blocks.#.self_attn.q_proj | d d | plain
transformer_blocks.#.attn1.to_k | blocks.#.self_attn.k_proj | d d | plain
transformer_blocks.#.attn1.to_v | blocks.#.self_attn.v_proj | d d | plain
transformer_blocks.#.attn1.to_out.0 | blocks.#.self_attn.output_proj | d d | plain
transformer_blocks.#.attn2.norm_q | blocks.#.cross_attn.q_norm | RMSNorm h
transformer_blocks.#.attn2.norm_k | blocks.#.cross_attn.k_norm | RMSNorm h
transformer_blocks.#.attn2.to_q | blocks.#.cross_attn.q_proj | d d | plain
transformer_blocks.#.attn2.to_k | blocks.#.cross_attn.k_proj | d t | plain
transformer_blocks.#.attn2.to_v | blocks.#.cross_attn.v_proj | d t | plain
transformer_blocks.#.attn2.to_out.0 | blocks.#.cross_attn.output_proj | d d | plain
transformer_blocks.#.ff.net.0.proj | blocks.#.mlp.layer1 | m d | plain
transformer_blocks.#.ff.net.2 | blocks.#.mlp.layer2 | d m | plain
norm_out.linear_1 | final_layer.adaln_modulation.1 | a d | plain
norm_out.linear_2 | final_layer.adaln_modulation.2 | 2d a | plain
proj_out | final_layer.linear | o d | plain
"""
_ADAPTER = """
llm_adapter.embed | =, text_conditioner.embed | Embedding w t | plain if=l
llm_adapter.blocks.#.mlp.0 | =, text_conditioner.blocks.#.mlp.0 | 4t t | if=l
llm_adapter.blocks.#.mlp.2 | =, text_conditioner.blocks.#.mlp.2 | t 4t | if=l
llm_adapter.blocks.#.norm_self_attn | =, text_conditioner.blocks.#.norm_self_attn | RMSNorm t | if=l
llm_adapter.blocks.#.norm_cross_attn | =, text_conditioner.blocks.#.norm_cross_attn | RMSNorm t | if=l
llm_adapter.blocks.#.norm_mlp | =, text_conditioner.blocks.#.norm_mlp | RMSNorm t | if=l
llm_adapter.out_proj | =, text_conditioner.out_proj | t t | if=l
llm_adapter.norm | =, text_conditioner.norm | RMSNorm t | if=l
"""
_ADAPTER_ATTENTION = """
llm_adapter.blocks.#.{0}.q_proj | =, text_conditioner.blocks.#.{0}.q_proj | t t | plain if=l
llm_adapter.blocks.#.{0}.k_proj | =, text_conditioner.blocks.#.{0}.k_proj | t t | plain if=l
llm_adapter.blocks.#.{0}.v_proj | =, text_conditioner.blocks.#.{0}.v_proj | t t | plain if=l
llm_adapter.blocks.#.{0}.o_proj | =, text_conditioner.blocks.#.{0}.o_proj | t t | plain if=l
llm_adapter.blocks.#.{0}.q_norm | =, text_conditioner.blocks.#.{0}.q_norm | RMSNorm n | if=l
llm_adapter.blocks.#.{0}.k_norm | =, text_conditioner.blocks.#.{0}.k_norm | RMSNorm n | if=l
"""
_TEXT = _ADAPTER + _ADAPTER_ATTENTION.format("self_attn") + _ADAPTER_ATTENTION.format("cross_attn")
"""What ComfyUI's files hold of the network between text encoder and transformer, which diffusers keeps apart, as
``text_conditioner``."""
ANIMA = Transformer(
    read_layers(_LAYERS + _TEXT),
    {
        "llm_adapter.blocks": 6,
        "l": 0,
        "n": 64,
        "w": 32128,
        "transformer_blocks": 28,
        "d": 2048,
        "m": 8192,
        "h": 128,
        "c": 68,
        "o": 64,
        "t": 1024,
        "a": 256,
    },
    model_class="CosmosTransformer3DModel",
    blocks={"transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "anima",
    title="Anima",
    family="Anima",
    networks={TRANSFORMER: ANIMA, TEXT_ENCODER: QWEN3_06B},
    trainer_names=("anima",),
    metadata={"ss_base_model_version": "anima", "modelspec.architecture": "anima-preview"},
)
