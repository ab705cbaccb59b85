"""AuraFlow."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import PILE_T5_XL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
pos_embed.pos_embed | positional_encoding | 1 p d | value
register_tokens | = | 1 8 d | value
pos_embed.proj | init_x_linear | d c
context_embedder | cond_seq_linear | d t | plain
time_step_proj.linear_1 | t_embedder.mlp.0 | d 256
time_step_proj.linear_2 | t_embedder.mlp.2 | d d
joint_transformer_blocks.#.norm1.linear | double_layers.#.modX.1 | 6d d | plain
joint_transformer_blocks.#.norm1_context.linear | double_layers.#.modC.1 | 6d d | plain
joint_transformer_blocks.#.attn.to_q | double_layers.#.attn.w2q | d d | plain
joint_transformer_blocks.#.attn.to_k | double_layers.#.attn.w2k | d d | plain
joint_transformer_blocks.#.attn.to_v | double_layers.#.attn.w2v | d d | plain
joint_transformer_blocks.#.attn.to_out.0 | double_layers.#.attn.w2o | d d | plain
joint_transformer_blocks.#.attn.add_q_proj | double_layers.#.attn.w1q | d d | plain
joint_transformer_blocks.#.attn.add_k_proj | double_layers.#.attn.w1k | d d | plain
joint_transformer_blocks.#.attn.add_v_proj | double_layers.#.attn.w1v | d d | plain
joint_transformer_blocks.#.attn.to_add_out | double_layers.#.attn.w1o | d d | plain
joint_transformer_blocks.#.ff.linear_1 | double_layers.#.mlpX.c_fc1 | m d | plain
joint_transformer_blocks.#.ff.linear_2 | double_layers.#.mlpX.c_fc2 | m d | plain
joint_transformer_blocks.#.ff.out_projection | double_layers.#.mlpX.c_proj | d m | plain
joint_transformer_blocks.#.ff_context.linear_1 | double_layers.#.mlpC.c_fc1 | m d | plain
joint_transformer_blocks.#.ff_context.linear_2 | double_layers.#.mlpC.c_fc2 | m d | plain
joint_transformer_blocks.#.ff_context.out_projection | double_layers.#.mlpC.c_proj | d m | plain
single_transformer_blocks.#.norm1.linear | single_layers.#.modCX.1 | 6d d | plain
single_transformer_blocks.#.attn.to_q | single_layers.#.attn.w1q | d d | plain
single_transformer_blocks.#.attn.to_k | single_layers.#.attn.w1k | d d | plain
single_transformer_blocks.#.attn.to_v | single_layers.#.attn.w1v | d d | plain
single_transformer_blocks.#.attn.to_out.0 | single_layers.#.attn.w1o | d d | plain
single_transformer_blocks.#.ff.linear_1 | single_layers.#.mlp.c_fc1 | m d | plain
single_transformer_blocks.#.ff.linear_2 | single_layers.#.mlp.c_fc2 | m d | plain
single_transformer_blocks.#.ff.out_projection | single_layers.#.mlp.c_proj | d m | plain
norm_out.linear | modF.1 | 2d d | swapped plain
proj_out | final_linear | c d | plain
"""
AURAFLOW = Transformer(
    read_layers(_LAYERS),
    {
        **{"joint_transformer_blocks": 4, "single_transformer_blocks": 32},
        **{"d": 3072, "m": 8192, "c": 16, "t": 2048, "p": 1024},
    },
    model_class="AuraFlowTransformer2DModel",
    blocks={"joint_transformer_blocks": "D", "single_transformer_blocks": "S"},
)
ARCHITECTURE = Architecture(
    "auraflow",
    title="AuraFlow",
    family="AuraFlow",
    networks={TRANSFORMER: AURAFLOW, TEXT_ENCODER: PILE_T5_XL},
    trainer_names=("auraflow",),
    metadata={"ss_base_model_version": "auraflow", "modelspec.architecture": "auraflow"},
)
