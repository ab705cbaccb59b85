"""MiDaS 3.0 DPT-Hybrid: a ResNet-50 stem, a ViT-B backbone and a DPT head, run by transformers.

Papers: Ranftl et al., "Towards Robust Monocular Depth Estimation", TPAMI 2022 (arXiv:1907.01341) and "Vision
Transformers for Dense Prediction", ICCV 2021 (arXiv:2103.13413). Weights: MIT. The network sees pictures at their own
size, as in isl-org/MiDaS and lllyasviel/ControlNet; transformers' own pipeline squashes them to 384 x 384.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_assembled
from ..layers.key_renaming import KeyRenaming
from ..layers.pretrained import Pretrained
from ..weights.depth_files import MIDAS

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ..weights.depth_files import Variant

PATCH = 16
MULTIPLE = 64
"""Sides the network is given are multiples of this, as in A1111; 32 would do."""

TAPS = (8, 11)
"""Blocks whose output the head reads, besides the first two stages of the stem."""

STEM = r"pretrained\.model\.patch_embed\.backbone\."
BIT = "dpt.embeddings.backbone.bit."
BLOCK = r"pretrained\.model\.blocks\.(\d+)\."
LAYER = r"dpt.encoder.layer.\1."

ORIGINAL = KeyRenaming([
    (r"pretrained\.model\.head\.(weight|bias)", ""),  # the backbone's old classes
    (r"pretrained\.model\.cls_token", "dpt.embeddings.cls_token"),
    (r"pretrained\.model\.pos_embed", "dpt.embeddings.position_embeddings"),
    (r"pretrained\.model\.patch_embed\.proj\.(\w+)", r"dpt.embeddings.projection.\1"),
    (STEM + r"stem\.conv\.weight", BIT + "embedder.convolution.weight"),
    (STEM + r"stem\.norm\.(\w+)", BIT + r"embedder.norm.\1"),
    (STEM + r"stages\.(\d)\.blocks\.(\d)\.(.+)", BIT + r"encoder.stages.\1.layers.\2.\3"),
    (r"pretrained\.model\.norm\.(\w+)", r"dpt.layernorm.\1"),
    (BLOCK + r"norm1\.(\w+)", LAYER + r"layernorm_before.\2"),
    (BLOCK + r"norm2\.(\w+)", LAYER + r"layernorm_after.\2"),
    (BLOCK + r"mlp\.fc1\.(\w+)", LAYER + r"intermediate.dense.\2"),
    (BLOCK + r"mlp\.fc2\.(\w+)", LAYER + r"output.dense.\2"),
    (BLOCK + r"attn\.proj\.(\w+)", LAYER + r"attention.output.dense.\2"),
    (
        BLOCK + r"attn\.qkv\.(\w+)",
        ",".join(rf"{LAYER}attention.attention.{name}.\2" for name in ("query", "key", "value")),
    ),
    *(
        (rf"pretrained\.act_postprocess{i + 1}\.{theirs}\.(\w+)", f"neck.reassemble_stage.{ours}" + r".\1")
        for i in (2, 3)
        for theirs, ours in (
            (r"0\.project\.0", f"readout_projects.{i}.0"),
            ("3", f"layers.{i}.projection"),
            ("4", f"layers.{i}.resize"),
        )
    ),
    *((rf"scratch\.layer{i + 1}_rn\.weight", f"neck.convs.{i}.weight") for i in range(4)),
    *(
        pair
        for i in range(4)
        for pair in (
            (rf"scratch\.refinenet{4 - i}\.out_conv\.(\w+)", rf"neck.fusion_stage.layers.{i}.projection.\1"),
            (
                rf"scratch\.refinenet{4 - i}\.resConfUnit([12])\.conv([12])\.(\w+)",
                rf"neck.fusion_stage.layers.{i}.residual_layer\1.convolution\2.\3",
            ),
        )
    ),
    (r"scratch\.output_conv\.([024])\.(\w+)", r"head.head.\1.\2"),
])  # fmt: skip
"""The authors' keys to transformers'."""


def build_config() -> Any:
    """Configuration of Intel/dpt-hybrid-midas, with the authors' epsilon of the layer norms."""
    from transformers import DPTConfig

    return DPTConfig(
        is_hybrid=True,
        neck_hidden_sizes=[256, 512, 768, 768],
        reassemble_factors=[1, 1, 1, 0.5],
        layer_norm_eps=1e-6,
    )


class DptHybrid(nn.Module):
    """Disparity float32 [B, H, W], 0 and up, of RGB [B, 3, H, W] in -1..1, sides multiples of 32.

    model: a DPTForDepthEstimation, whose parts are run one by one because its own forward takes squares of 384 only.
    The stem's kernels are standardised once, here, not at every run.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        _replace_dynamic_layers(model.dpt.embeddings.backbone)

    def forward(self, x: Tensor) -> Tensor:
        """Two maps of the stem and the tokens of two blocks, fused from coarse to fine."""
        rows, columns = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        embeddings, blocks = self.model.dpt.embeddings, self.model.dpt.encoder.layer
        maps = embeddings.backbone(x).feature_maps
        patches = embeddings.projection(maps[-1]).flatten(2).transpose(1, 2)
        tokens = torch.cat((embeddings.cls_token.expand(x.shape[0], -1, -1), patches), dim=1)
        tokens = tokens + _interpolate_positions(embeddings.position_embeddings, rows, columns)
        read = [maps[0], maps[1]]
        for index, block in enumerate(blocks):
            tokens = _first_output(block(tokens))
            if index in TAPS:
                read.append(self._to_map(len(read), tokens, rows, columns))
        neck = self.model.neck
        return self.model.head(neck.fusion_stage([conv(found) for conv, found in zip(neck.convs, read, strict=True)]))

    def _to_map(self, stage: int, tokens: Tensor, rows: Any, columns: Any) -> Tensor:
        """Tokens [B, 1 + rows * columns, C] as a map of the head's; old versions only do it for squares."""
        reassembly = self.model.neck.reassemble_stage
        patches = tokens[:, 1:]
        joined = reassembly.readout_projects[stage](torch.cat((patches, tokens[:, :1].expand_as(patches)), -1))
        return reassembly.layers[stage](joined.transpose(1, 2).unflatten(2, (rows, columns)))


def _replace_dynamic_layers(stem: nn.Module) -> None:
    """Replace convolutions that standardise their kernels and measure their padding at every run by plain ones.

    "Same" padding depends on the size only where the stride does not divide it, which MULTIPLE rules out.
    """
    from transformers.models.bit.modeling_bit import DynamicPad2d, WeightStandardizedConv2d

    for parent in list(stem.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, WeightStandardizedConv2d):
                setattr(parent, name, _build_plain_convolution(child))
            elif isinstance(child, DynamicPad2d):
                setattr(parent, name, _build_padding(child))


def _build_plain_convolution(conv: Any) -> nn.Module:
    """Convolution with the standardised kernel, mean 0 and variance 1 per output channel, behind its padding."""
    size, stride = conv.kernel_size, conv.stride
    made = nn.Conv2d(conv.in_channels, conv.out_channels, size, stride, conv.padding, bias=conv.bias is not None)
    flat = conv.weight.detach().reshape(1, conv.out_channels, -1)
    with torch.no_grad():
        made.weight.copy_(F.batch_norm(flat, None, None, training=True, eps=conv.eps).reshape_as(conv.weight))
        if made.bias is not None:
            made.bias.copy_(conv.bias)
    return made if conv.pad is None else nn.Sequential(_build_padding(conv.pad), made)


def _build_padding(pad: Any) -> nn.ConstantPad2d:
    """Padding of sides that the stride divides: one more after than before where the sum is odd."""
    (down, across) = (max(size - step, 0) for size, step in zip(pad.kernel_size, pad.stride, strict=True))
    sides = (across // 2, across - across // 2, down // 2, down - down // 2)
    return nn.ConstantPad2d(sides, pad.value)


def _first_output(output: Any) -> Tensor:
    """Tokens a block returns: alone, or in older versions of transformers the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output


def _interpolate_positions(table: Tensor, rows: Any, columns: Any) -> Tensor:
    """Position table [1, 1 + rows * columns, C]: bilinear from the square one that was learnt."""
    side = math.isqrt(table.shape[1] - 1)
    grid = rearrange(table[:, 1:], "b (h w) c -> b c h w", h=side)
    sampled = F.interpolate(grid, size=(rows, columns), mode="bilinear", align_corners=False)
    return torch.cat((table[:, :1], sampled.flatten(2).transpose(1, 2)), dim=1)


RECIPES: dict[Variant, Pretrained] = {
    "transformers": Pretrained("DPTForDepthEstimation", build_config, wrap=DptHybrid),
    "original": Pretrained("DPTForDepthEstimation", build_config, convert=ORIGINAL, wrap=DptHybrid),
}


def estimate_disparity(images: Images, variant: Variant, placement: Placement) -> Values:
    """Disparity float32 [B, H, W], in the thousands, of uint8 [B, H, W, 3].

    The network sees the pictures edge-padded to multiples of 64, as in A1111, and the padding is cropped away again.
    """
    net = load_assembled(MIDAS[variant], RECIPES[variant], placement)
    size = Size(*images.shape[1:3])
    values = run_in_chunks(
        lambda chunk: net(chunk / 127.5 - 1), pad_batch(images, find_padded_size(size, MULTIPLE)), placement
    )
    return np.ascontiguousarray(values[:, : size.height, : size.width])
