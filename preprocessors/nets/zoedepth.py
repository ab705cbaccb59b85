"""ZoeDepth: metres from MiDaS's DPT on a BEiT-L backbone with bins of depth, run by transformers.

Paper: Bhat et al., "ZoeDepth: Zero-shot Transfer by Combining Relative and Metric Depth" (arXiv:2302.12288). Weights:
MIT. Padding, sizes and the average with the mirrored picture are those of isl-org/ZoeDepth's `infer`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size
from ...core.networks.batching import iter_chunks
from ...core.networks.cache import load_assembled
from ..layers.key_renaming import KeyRenaming
from ..layers.pretrained import Pretrained
from ..weights.depth_files import ZOE_ORIGINAL

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.network import Network
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight
    from ..weights.depth_files import Variant, Zoe

NATIVE: dict[Zoe, Size] = {"nyu": Size(384, 512), "kitti": Size(384, 768), "nyu_kitti": Size(384, 512)}
MULTIPLE = 32
MAX_PIXELS_RATIO = 4
"""A long picture is seen with at most this many times the pixels of NATIVE, which are those of the training."""

WIDTH, HEADS, BLOCKS = 1024, 16, 24

CORE = r"core\.core\."
BACKBONE = CORE + r"pretrained\.model\."
BLOCK = BACKBONE + r"blocks\.(\d+)\."
LAYER = r"backbone.encoder.layer.\1."
ATTENTION = LAYER + "attention.attention."

ORIGINAL = KeyRenaming([
    (r".*(relative_position_index|\.k_idx|\.K_minus_1)", ""),  # tables of whole numbers, which the code makes anew
    (BACKBONE + r"(fc_norm|head)\.(weight|bias)", ""),  # of the backbone's old classes
    (BACKBONE + r"cls_token", "backbone.embeddings.cls_token"),
    (BACKBONE + r"patch_embed\.proj\.(\w+)", r"backbone.embeddings.patch_embeddings.projection.\1"),
    (BLOCK + r"gamma_([12])", LAYER + r"lambda_\2"),
    (BLOCK + r"norm1\.(\w+)", LAYER + r"layernorm_before.\2"),
    (BLOCK + r"norm2\.(\w+)", LAYER + r"layernorm_after.\2"),
    (BLOCK + r"mlp\.fc1\.(\w+)", LAYER + r"intermediate.dense.\2"),
    (BLOCK + r"mlp\.fc2\.(\w+)", LAYER + r"output.dense.\2"),
    (BLOCK + r"attn\.proj\.(\w+)", LAYER + r"attention.output.dense.\2"),
    (BLOCK + r"attn\.q_bias", ATTENTION + "query.bias"),
    (BLOCK + r"attn\.k_bias", ""),  # zeros, never learnt
    (BLOCK + r"attn\.v_bias", ATTENTION + "value.bias"),
    (BLOCK + r"attn\.qkv\.weight", ",".join(f"{ATTENTION}{name}.weight" for name in ("query", "key", "value"))),
    (
        BLOCK + r"attn\.relative_position_bias_table",
        ATTENTION + "relative_position_bias.relative_position_bias_table",
    ),
    *(
        pair
        for i in range(4)
        for pair in (
            (
                CORE + rf"pretrained\.act_postprocess{i + 1}\.0\.project\.0\.(\w+)",
                rf"neck.reassemble_stage.readout_projects.{i}.0.\1",
            ),
            (
                CORE + rf"pretrained\.act_postprocess{i + 1}\.3\.(\w+)",
                rf"neck.reassemble_stage.layers.{i}.projection.\1",
            ),
            (
                CORE + rf"pretrained\.act_postprocess{i + 1}\.4\.(\w+)",
                rf"neck.reassemble_stage.layers.{i}.resize.\1",
            ),
            (CORE + rf"scratch\.layer{i + 1}_rn\.weight", f"neck.convs.{i}.weight"),
            (
                CORE + rf"scratch\.refinenet{4 - i}\.out_conv\.(\w+)",
                rf"neck.fusion_stage.layers.{i}.projection.\1",
            ),
            (
                CORE + rf"scratch\.refinenet{4 - i}\.resConfUnit([12])\.conv([12])\.(\w+)",
                rf"neck.fusion_stage.layers.{i}.residual_layer\1.convolution\2.\3",
            ),
        )
    ),
    *((CORE + rf"scratch\.output_conv\.{2 * i}\.(\w+)", rf"relative_head.conv{i + 1}.\1") for i in range(3)),
    (r"conv2\.(\w+)", r"metric_head.conv2.\1"),
    *(
        pair
        for i in range(2)
        for pair in (
            (rf"(seed_bin_regressor|seed_projector)\._net\.{2 * i}\.(\w+)", rf"metric_head.\1.conv{i + 1}.\2"),
            (rf"(projectors|attractors)\.(\d)\._net\.{2 * i}\.(\w+)", rf"metric_head.\1.\2.conv{i + 1}.\3"),
        )
    ),
    (r"conditional_log_binomial\.mlp\.(\d)\.(\w+)", r"metric_head.conditional_log_binomial.mlp.\1.\2"),
])  # fmt: skip
"""The authors' keys to transformers' (4.x; 5.x renames those itself)."""

MAX_DEPTH = {"nyu": 10.0, "kitti": 80.0}
"""Metres up to which each data set's bins reach."""


def build_config(model: Zoe) -> Any:
    """Configuration of Intel/zoedepth-nyu, -kitti or -nyu-kitti."""
    import transformers

    library: Any = transformers  # its type hints lag behind its code
    backbone = library.BeitConfig(
        image_size=384,
        num_hidden_layers=BLOCKS,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_attention_heads=HEADS,
        layer_norm_eps=1e-6,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=[f"stage{BLOCKS * (i + 1) // 4}" for i in range(4)],
    )
    bins = [{"name": n, "n_bins": 64, "min_depth": 1e-3, "max_depth": MAX_DEPTH[n]} for n in model.split("_")]
    both = len(bins) > 1
    return library.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[256, 512, 1024, 1024],
        bin_centers_type="normed" if model == "kitti" else "softplus",
        bin_configurations=bins,
        num_patch_transformer_layers=4 if both else None,
        patch_transformer_hidden_size=128 if both else None,
        patch_transformer_intermediate_size=1024 if both else None,
        patch_transformer_num_attention_heads=4 if both else None,
    )


class ZoeDepth(nn.Module):
    """Metres float32 [B, 1, H, W] of RGB [B, 3, H, W] in -1..1, sides multiples of 32."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Run transformers' own forward."""
        return self.model(x).predicted_depth[:, None].float()


def build_recipe(model: Zoe, variant: Variant) -> Pretrained:
    """How a model is put together from one of its files."""
    convert = ORIGINAL if variant == "original" else None
    return Pretrained("ZoeDepthForDepthEstimation", partial(build_config, model), convert=convert, wrap=ZoeDepth)


def compute_input_size(size: Size, native: Size) -> Size:
    """What the network sees of a padded picture: native's height or width, whichever scales less, multiples of 32."""
    down, across = native.height / size.height, native.width / size.width
    k = across if abs(1 - across) < abs(1 - down) else down
    k = min(k, math.sqrt(MAX_PIXELS_RATIO * native.height * native.width / (size.height * size.width)))
    return Size(*(max(MULTIPLE, round(k * length / MULTIPLE) * MULTIPLE) for length in size))


def estimate_metres(images: Images, model: Zoe, weight: Weight, placement: Placement) -> Values:
    """Distance float32 [B, H, W] of uint8 [B, H, W, 3], the mean of the picture's and its mirror image's."""
    net = load_assembled(
        weight, build_recipe(model, "original" if weight is ZOE_ORIGINAL else "transformers"), placement
    )
    native = NATIVE[model]
    made: list[Values] = []
    for chunk in iter_chunks(images, placement):
        both = _estimate_padded(net, chunk, native) + _estimate_padded(net, chunk.flip(3), native).flip(3)
        made.append((both / 2)[:, 0].cpu().numpy())
    return np.concatenate(made)


def _estimate_padded(net: Network, pictures: Tensor, native: Size) -> Tensor:
    """Metres [B, 1, H, W] of [B, 3, H, W] in 0..255, seen with a mirrored border that is cut off again."""
    height, width = pictures.shape[-2:]
    top, left = (min(int(math.sqrt(length / 2) * 3), length - 1) for length in (height, width))
    wide = F.pad(pictures / 255, (left, left, top, top), mode="reflect")
    size = Size(*wide.shape[-2:])
    seen = F.interpolate(wide, size=tuple(compute_input_size(size, native)), mode="bilinear", align_corners=True)
    found = F.interpolate(net((seen - 0.5) / 0.5), size=tuple(size), mode="bicubic", align_corners=False)
    return found[..., top : top + height, left : left + width]
