"""Wan 2.1 and 2.2: from text and from pictures, VACE and Animate; of 2.2's two experts each is a model of its own.

Animate's motion encoder has no table: its weights belong to no ordinary layers, and no trainer changes them.
"""

from __future__ import annotations

from ..architecture import Architecture
from ..language_models import UMT5_XXL
from ..parts import TEXT_ENCODER, TRANSFORMER
from ..transformer import Transformer, read_layers

_LAYERS = """
patch_embedding | = | Conv3d d c 1 2 2
condition_embedder.time_embedder.linear_1 | time_embedding.0 | d 256
condition_embedder.time_embedder.linear_2 | time_embedding.2 | d d
condition_embedder.time_proj | time_projection.1 | 6d d
condition_embedder.text_embedder.linear_1 | text_embedding.0 | d t
condition_embedder.text_embedder.linear_2 | text_embedding.2 | d d
condition_embedder.image_embedder.norm1 | img_emb.proj.0 | LayerNorm i | if=i
condition_embedder.image_embedder.ff.net.0.proj | img_emb.proj.1 | i i | if=i
condition_embedder.image_embedder.ff.net.2 | img_emb.proj.3 | d i | if=i
condition_embedder.image_embedder.norm2 | img_emb.proj.4 | LayerNorm d | if=i
blocks.#.attn1.to_q | blocks.#.self_attn.q | d d
blocks.#.attn1.to_k | blocks.#.self_attn.k | d d
blocks.#.attn1.to_v | blocks.#.self_attn.v | d d
blocks.#.attn1.to_out.0 | blocks.#.self_attn.o | d d
blocks.#.attn1.norm_q | blocks.#.self_attn.norm_q | RMSNorm d
blocks.#.attn1.norm_k | blocks.#.self_attn.norm_k | RMSNorm d
blocks.#.attn2.to_q | blocks.#.cross_attn.q | d d
blocks.#.attn2.to_k | blocks.#.cross_attn.k | d d
blocks.#.attn2.to_v | blocks.#.cross_attn.v | d d
blocks.#.attn2.to_out.0 | blocks.#.cross_attn.o | d d
blocks.#.attn2.norm_q | blocks.#.cross_attn.norm_q | RMSNorm d
blocks.#.attn2.norm_k | blocks.#.cross_attn.norm_k | RMSNorm d
blocks.#.attn2.add_k_proj | blocks.#.cross_attn.k_img | d d | if=i
blocks.#.attn2.add_v_proj | blocks.#.cross_attn.v_img | d d | if=i
blocks.#.attn2.norm_added_k | blocks.#.cross_attn.norm_k_img | RMSNorm d | if=i
blocks.#.norm2 | blocks.#.norm3 | LayerNorm d
blocks.#.ffn.net.0.proj | blocks.#.ffn.0 | m d
blocks.#.ffn.net.2 | blocks.#.ffn.2 | d m
blocks.#.scale_shift_table | blocks.#.modulation | 1 6 d | value
scale_shift_table | head.modulation | 1 2 d | value
proj_out | head.head | o d
"""
_VACE = """
vace_patch_embedding | = | Conv3d d v 1 2 2 | if=v
vace_blocks.#.proj_in | vace_blocks.#.before_proj | d d | first if=v
vace_blocks.#.proj_out | vace_blocks.#.after_proj | d d | if=v
"""
_SHARED = ("attn1.", "attn2.to_", "attn2.norm_q", "attn2.norm_k", "norm2", "ffn.", "scale_shift_table")
"""Beginnings of the layers that VACE's own blocks have as well."""
_ANIMATE = """
pose_patch_embedding | = | Conv3d d p 1 2 2 | if=p
face_encoder.conv1_local | face_encoder.conv1_local.conv | Conv1d 4f e 3 | if=p
face_encoder.conv2 | face_encoder.conv2.conv | Conv1d f f 3 | if=p
face_encoder.conv3 | face_encoder.conv3.conv | Conv1d f f 3 | if=p
face_encoder.out_proj | = | d f | if=p
face_adapter.#.to_q | face_adapter.fuser_blocks.#.linear1_q | d d | if=p
face_adapter.#.to_k | face_adapter.fuser_blocks.#.linear1_kv | d d | if=p
face_adapter.#.to_v | face_adapter.fuser_blocks.#.linear1_kv | d d | if=p
face_adapter.#.to_out | face_adapter.fuser_blocks.#.linear2 | d d | if=p
face_adapter.#.norm_q | face_adapter.fuser_blocks.#.q_norm | RMSNorm h | if=p
face_adapter.#.norm_k | face_adapter.fuser_blocks.#.k_norm | RMSNorm h | if=p
"""


def _list_vace_blocks() -> str:
    """Lines of the layers that VACE's own blocks have as the others."""
    own = tuple(f"blocks.#.{name}" for name in _SHARED)
    lines = [line.replace("blocks.#.", "vace_blocks.#.") for line in _LAYERS.splitlines() if line.startswith(own)]
    return "".join(f"{line}{'' if line.endswith('value') else ' |'} if=v\n" for line in lines)


WAN_14B = Transformer(
    read_layers(_LAYERS + _VACE + _list_vace_blocks() + _ANIMATE),
    {
        **{"blocks": 40, "d": 5120, "m": 13824, "c": 16, "o": 64, "t": 4096, "i": 0},
        **{"v": 0, "vace_blocks": 0, "first": 1, "p": 0, "face_adapter": 0, "f": 1024, "e": 512, "h": 128},
    },
    model_class="WanTransformer3DModel",
    blocks={"blocks": "B"},
)
WAN_14B_PICTURE = WAN_14B.resize(c=36, i=1280)
WAN22_14B_PICTURE = WAN_14B.resize(c=36)
WAN_1_3B = WAN_14B.resize(blocks=30, d=1536, m=8960)
WAN22_5B = WAN_14B.resize(blocks=30, d=3072, m=14336, c=48, o=192)
VACE_14B = WAN_14B.resize(v=96, vace_blocks=8)
VACE_1_3B = WAN_1_3B.resize(v=96, vace_blocks=15)
ANIMATE_14B = WAN_14B_PICTURE.resize(p=16, face_adapter=8)
ARCHITECTURE = Architecture(
    "wan",
    title="Wan",
    family="Wan",
    rank=1,
    networks={TRANSFORMER: WAN_14B, TEXT_ENCODER: UMT5_XXL},
    trainer_names=("wan",),
    metadata={"ss_base_model_version": "wan2.1", "modelspec.architecture": "wan2.1"},
    variants={
        "14B": WAN_14B,
        "2.1 14B from pictures": WAN_14B_PICTURE,
        "2.2 14B from pictures": WAN22_14B_PICTURE,
        "2.1 1.3B": WAN_1_3B,
        "2.2 5B": WAN22_5B,
        "2.1 VACE 14B": VACE_14B,
        "2.1 VACE 1.3B": VACE_1_3B,
        "2.2 Animate 14B": ANIMATE_14B,
    },
    extensions={"2.1 VACE 14B": "vace_", "2.1 VACE 1.3B": "vace_", "2.2 Animate 14B": "face_"},
)
