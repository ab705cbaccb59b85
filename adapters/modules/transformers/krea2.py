"""Krea 2."""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import QWEN3_4B
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_STEM = """
img_in | first | d c
time_embed.linear_1 | tmlp.0 | d 256
time_embed.linear_2 | tmlp.2 | d d
time_mod_proj | tproj.1 | 6d d
text_fusion.projector | txtfusion.projector | 1 12 | plain
txt_in.norm | txtmlp.0.scale | RMSNorm t
txt_in.linear_1 | txtmlp.1 | d t
txt_in.linear_2 | txtmlp.3 | d d
transformer_blocks.#.scale_shift_table | blocks.#.mod.lin | 6 d | value
final_layer.scale_shift_table | last.modulation.lin | 2 d | value
final_layer.norm | last.norm.scale | RMSNorm d
final_layer.linear | last.linear | c d
"""
_BLOCK = """
{0}.#.norm1 | {1}.#.prenorm.scale | RMSNorm {d}
{0}.#.norm2 | {1}.#.postnorm.scale | RMSNorm {d}
{0}.#.attn.to_q | {1}.#.attn.wq | {d} {d} | plain
{0}.#.attn.to_k | {1}.#.attn.wk | {k} {d} | plain
{0}.#.attn.to_v | {1}.#.attn.wv | {k} {d} | plain
{0}.#.attn.to_gate | {1}.#.attn.gate | {d} {d} | plain
{0}.#.attn.norm_q | {1}.#.attn.qknorm.qnorm.scale | RMSNorm h
{0}.#.attn.norm_k | {1}.#.attn.qknorm.knorm.scale | RMSNorm h
{0}.#.attn.to_out.0 | {1}.#.attn.wo | {d} {d} | plain
{0}.#.ff.gate | {1}.#.mlp.gate | {m} {d} | plain
{0}.#.ff.up | {1}.#.mlp.up | {m} {d} | plain
{0}.#.ff.down | {1}.#.mlp.down | {d} {m} | plain
"""
_MAIN = _BLOCK.format("transformer_blocks", "blocks", d="d", k="k", m="m")
_FUSION = "".join(
    _BLOCK.format(f"text_fusion.{name}", f"txtfusion.{name}", d="t", k="t", m="n")
    for name in ("layerwise_blocks", "refiner_blocks")
)
KREA2 = Transformer(
    read_layers(_STEM + _MAIN + _FUSION),
    {
        **{"transformer_blocks": 28, "text_fusion.layerwise_blocks": 2, "text_fusion.refiner_blocks": 2},
        **{"d": 6144, "k": 1536, "m": 16384, "h": 128, "c": 64, "t": 2560, "n": 6912},
    },
    model_class="Krea2Transformer2DModel",
    blocks={"text_fusion.layerwise_blocks": "T", "text_fusion.refiner_blocks": "R", "transformer_blocks": "B"},
)
ARCHITECTURE = Architecture(
    "krea2",
    title="Krea 2",
    family="Krea 2",
    networks={TRANSFORMER: KREA2, TEXT_ENCODER: QWEN3_4B},
    trainer_names=("krea-2", "krea2", "krea_2"),
    metadata={"ss_base_model_version": "krea2", "modelspec.architecture": "krea-2"},
)
