"""HunyuanVideo. Tencent's names; ComfyUI's files have those of Flux.1 for the same layers."""

from __future__ import annotations

from ..architecture import Architecture
from ..encoders import CLIP_L
from ..language_models import LLAMA3_8B
from ..parts import TEXT_ENCODER, TEXT_ENCODER_2, TRANSFORMER
from ..transformer import Transformer, read_layers
from .flux1 import NAMES

_REFINER = "context_embedder.token_refiner.refiner_blocks"
_TEXT = """
{2}.timestep_embedder.linear_1 | txt_in.t_embedder.mlp.0, txt_in.t_embedder.in_layer | d 256
{2}.timestep_embedder.linear_2 | txt_in.t_embedder.mlp.2, txt_in.t_embedder.out_layer | d d
{2}.text_embedder.linear_1 | txt_in.c_embedder.linear_1, txt_in.c_embedder.in_layer | d t
{2}.text_embedder.linear_2 | txt_in.c_embedder.linear_2, txt_in.c_embedder.out_layer | d d
context_embedder.proj_in | txt_in.input_embedder | d t
{0}.#.norm1 | {1}.#.norm1 | LayerNorm d
{0}.#.norm2 | {1}.#.norm2 | LayerNorm d
{0}.#.attn.to_q | {1}.#.self_attn_qkv, {1}.#.self_attn.qkv | d d
{0}.#.attn.to_k | {1}.#.self_attn_qkv, {1}.#.self_attn.qkv | d d
{0}.#.attn.to_v | {1}.#.self_attn_qkv, {1}.#.self_attn.qkv | d d
{0}.#.attn.to_out.0 | {1}.#.self_attn_proj, {1}.#.self_attn.proj | d d
{0}.#.ff.net.0.proj | {1}.#.mlp.fc1, {1}.#.mlp.0 | m d
{0}.#.ff.net.2 | {1}.#.mlp.fc2, {1}.#.mlp.2 | d m
{0}.#.norm_out.linear | {1}.#.adaLN_modulation.1 | 2d d
""".format(_REFINER, "txt_in.individual_token_refiner.blocks", "context_embedder.time_text_embed")
_DOUBLE = """
{0}.#.attn.norm_q | {1}.#.img_attn_q_norm, {1}.#.img_attn.norm.query_norm.scale | RMSNorm h
{0}.#.attn.norm_k | {1}.#.img_attn_k_norm, {1}.#.img_attn.norm.key_norm.scale | RMSNorm h
{0}.#.attn.norm_added_q | {1}.#.txt_attn_q_norm, {1}.#.txt_attn.norm.query_norm.scale | RMSNorm h
{0}.#.attn.norm_added_k | {1}.#.txt_attn_k_norm, {1}.#.txt_attn.norm.key_norm.scale | RMSNorm h
{0}.#.norm1.linear | {1}.#.img_mod.linear, {1}.#.img_mod.lin | 6d d
{0}.#.norm1_context.linear | {1}.#.txt_mod.linear, {1}.#.txt_mod.lin | 6d d
{0}.#.attn.to_q | {1}.#.img_attn_qkv, {1}.#.img_attn.qkv | d d
{0}.#.attn.to_k | {1}.#.img_attn_qkv, {1}.#.img_attn.qkv | d d
{0}.#.attn.to_v | {1}.#.img_attn_qkv, {1}.#.img_attn.qkv | d d
{0}.#.attn.add_q_proj | {1}.#.txt_attn_qkv, {1}.#.txt_attn.qkv | d d
{0}.#.attn.add_k_proj | {1}.#.txt_attn_qkv, {1}.#.txt_attn.qkv | d d
{0}.#.attn.add_v_proj | {1}.#.txt_attn_qkv, {1}.#.txt_attn.qkv | d d
{0}.#.attn.to_out.0 | {1}.#.img_attn_proj, {1}.#.img_attn.proj | d d
{0}.#.attn.to_add_out | {1}.#.txt_attn_proj, {1}.#.txt_attn.proj | d d
{0}.#.ff.net.0.proj | {1}.#.img_mlp.fc1, {1}.#.img_mlp.0 | m d
{0}.#.ff.net.2 | {1}.#.img_mlp.fc2, {1}.#.img_mlp.2 | d m
{0}.#.ff_context.net.0.proj | {1}.#.txt_mlp.fc1, {1}.#.txt_mlp.0 | m d
{0}.#.ff_context.net.2 | {1}.#.txt_mlp.fc2, {1}.#.txt_mlp.2 | d m
""".format("transformer_blocks", "double_blocks")
_SINGLE = """
{0}.#.attn.norm_q | {1}.#.q_norm, {1}.#.norm.query_norm.scale | RMSNorm h
{0}.#.attn.norm_k | {1}.#.k_norm, {1}.#.norm.key_norm.scale | RMSNorm h
{0}.#.attn.to_q | {1}.#.linear1 | d d
{0}.#.attn.to_k | {1}.#.linear1 | d d
{0}.#.attn.to_v | {1}.#.linear1 | d d
{0}.#.proj_mlp | {1}.#.linear1 | m d
{0}.#.proj_out | {1}.#.linear2 | d d+m
{0}.#.norm.linear | {1}.#.modulation.linear, {1}.#.modulation.lin | 3d d
""".format("single_transformer_blocks", "single_blocks")
_STEM = """
x_embedder.proj | img_in.proj | Conv3d d c 1 2 2
time_text_embed.timestep_embedder.linear_1 | time_in.mlp.0, time_in.in_layer | d 256
time_text_embed.timestep_embedder.linear_2 | time_in.mlp.2, time_in.out_layer | d d
time_text_embed.text_embedder.linear_1 | vector_in.in_layer | d v
time_text_embed.text_embedder.linear_2 | vector_in.out_layer | d d
time_text_embed.guidance_embedder.linear_1 | guidance_in.mlp.0, guidance_in.in_layer | d g | if=g
time_text_embed.guidance_embedder.linear_2 | guidance_in.mlp.2, guidance_in.out_layer | d d | if=g
norm_out.linear | final_layer.adaLN_modulation.1 | 2d d | swapped
proj_out | final_layer.linear | o d
"""
HUNYUAN_VIDEO = Transformer(
    read_layers(_TEXT + _DOUBLE + _SINGLE + _STEM),
    {
        **{_REFINER: 2, "transformer_blocks": 20, "single_transformer_blocks": 40},
        **{"d": 3072, "m": 12288, "h": 128, "c": 16, "o": 64, "t": 4096, "v": 768, "g": 256},
    },
    model_class="HunyuanVideoTransformer3DModel",
    blocks=NAMES,
)
ARCHITECTURE = Architecture(
    "hunyuan_video",
    title="HunyuanVideo",
    family="HunyuanVideo",
    networks={TRANSFORMER: HUNYUAN_VIDEO, TEXT_ENCODER: LLAMA3_8B, TEXT_ENCODER_2: CLIP_L},
    trainer_names=("hunyuan-video", "hunyuan_video", "hunyuanvideo"),
    metadata={"ss_base_model_version": "hunyuan_video", "modelspec.architecture": "hunyuan-video"},
)
