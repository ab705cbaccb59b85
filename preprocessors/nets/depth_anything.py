"""Depth Anything v1 and v2: a DINOv2 backbone with a DPT head, run by transformers. Needs transformers.

Papers: Yang et al., "Depth Anything", CVPR 2024 (arXiv:2401.10891) and "Depth Anything V2", NeurIPS 2024
(arXiv:2406.09414). Weights: v1, and v2 small, Apache-2.0; v2 base and large CC-BY-NC-4.0. The position table is sampled
as in the authors' code (DINOv2's offset of 0.1 patches), which transformers leaves out; it matters off 518 x 518.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size
from ...core.networks.batching import find_chunk_length
from ...core.networks.cache import load_assembled
from ..layers.imagenet import normalise
from ..layers.key_renaming import KeyRenaming
from ..layers.pretrained import Pretrained
from ..weights.depth_files import DEPTH_ANYTHING_1, DEPTH_ANYTHING_2

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight
    from ..weights.depth_files import DepthAnything1, DepthAnything2, Variant

PATCH = 14
GRID = 37
"""Patches along a side of the pictures the position table was made for (518 x 518)."""

OFFSET = 0.1
"""DINOv2 samples its position table as if the picture were this many patches larger."""

MAX_ASPECT = 4
"""A long picture is seen with at most this many times the pixels of a square one,"""

MOST_PIXELS = 2**21
"""and any with at most this many: attention takes the square of it."""


class Backbone(NamedTuple):
    """Width, heads and blocks of a DINOv2, the channels of its four taps and of the fusion, and where v1, v2 tap it."""

    width: int
    heads: int
    blocks: int
    channels: tuple[int, int, int, int]
    fused: int
    taps: dict[int, tuple[int, int, int, int]]


BACKBONES = {
    "small": Backbone(384, 6, 12, (48, 96, 192, 384), 64, {1: (9, 10, 11, 12), 2: (3, 6, 9, 12)}),
    "base": Backbone(768, 12, 12, (96, 192, 384, 768), 128, {1: (9, 10, 11, 12), 2: (3, 6, 9, 12)}),
    "large": Backbone(1024, 16, 24, (256, 512, 1024, 1024), 256, {1: (21, 22, 23, 24), 2: (5, 12, 18, 24)}),
}

MAX_DEPTH = {"indoor": 20, "outdoor": 80}
"""Metres that the metric models' output of 1 stands for."""

ORIGINAL = KeyRenaming([
    (r"pretrained\.mask_token", "backbone.embeddings.mask_token"),
    (r"pretrained\.cls_token", "backbone.embeddings.cls_token"),
    (r"pretrained\.pos_embed", "backbone.embeddings.position_embeddings"),
    (r"pretrained\.patch_embed\.proj\.(\w+)", r"backbone.embeddings.patch_embeddings.projection.\1"),
    (r"pretrained\.norm\.(\w+)", r"backbone.layernorm.\1"),
    (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.(\w+)", r"backbone.encoder.layer.\1.\2.\3"),
    (r"pretrained\.blocks\.(\d+)\.attn\.proj\.(\w+)", r"backbone.encoder.layer.\1.attention.output.dense.\2"),
    (
        r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(\w+)",
        ",".join(rf"backbone.encoder.layer.\1.attention.attention.{name}.\2" for name in ("query", "key", "value")),
    ),
    (r"depth_head\.projects\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.projection.\2"),
    (r"depth_head\.resize_layers\.([013])\.(\w+)", r"neck.reassemble_stage.layers.\1.resize.\2"),
    *((rf"depth_head\.scratch\.layer{i + 1}_rn\.weight", f"neck.convs.{i}.weight") for i in range(4)),
    *(
        (rf"depth_head\.scratch\.refinenet{4 - i}\.{theirs}", rf"neck.fusion_stage.layers.{i}.{ours}")
        for i in range(4)
        for theirs, ours in (
            (r"out_conv\.(\w+)", r"projection.\1"),
            (r"resConfUnit([12])\.conv([12])\.(\w+)", r"residual_layer\1.convolution\2.\3"),
        )
    ),
    (r"depth_head\.scratch\.output_conv1\.(\w+)", r"head.conv1.\1"),
    (r"depth_head\.scratch\.output_conv2\.0\.(\w+)", r"head.conv2.\1"),
    (r"depth_head\.scratch\.output_conv2\.2\.(\w+)", r"head.conv3.\1"),
])  # fmt: skip
"""The authors' keys to transformers' (4.x; 5.x renames those itself)."""


def build_config(version: int, model: str) -> Any:
    """Configuration of one model, e.g. version 2, "small_indoor"; the numbers of the published files."""
    import transformers

    library: Any = transformers  # its type hints lag behind its code
    size, _, place = model.partition("_")
    sizes = BACKBONES[size]
    backbone = library.Dinov2Config(
        image_size=PATCH * GRID,
        patch_size=PATCH,
        hidden_size=sizes.width,
        num_attention_heads=sizes.heads,
        num_hidden_layers=sizes.blocks,
        out_indices=list(sizes.taps[version]),
        reshape_hidden_states=False,
    )
    return library.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=sizes.width,
        neck_hidden_sizes=list(sizes.channels),
        fusion_hidden_size=sizes.fused,
        depth_estimation_type="metric" if place else "relative",
        max_depth=MAX_DEPTH.get(place, 1),
    )


class DepthAnything(nn.Module):
    """Disparity (or metres) float32 [B, H, W] of RGB [B, 3, H, W] in ImageNet's mean and spread, sides multiples of 14.

    model: a DepthAnythingForDepthEstimation. Its head runs in float32 whatever the format: in bfloat16 the last maps
    would have no more than 256 levels.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        embeddings = model.backbone.embeddings
        embeddings.interpolate_pos_encoding = partial(_interpolate_positions, embeddings)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of four blocks, fused from coarse to fine, to one number a pixel."""
        rows, columns = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        tokens = self.model.backbone(x).feature_maps
        fused = self.model.neck(list(tokens), rows, columns)[-1].float()
        head = self.model.head
        coarse = _convolve_float32(head.conv1, fused)
        fine = F.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=True)
        raw = _convolve_float32(head.conv3, F.relu(_convolve_float32(head.conv2, fine)))
        return head.activation2(raw)[:, 0] * head.max_depth


def _convolve_float32(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Run a convolution in float32, whatever the format of its weights."""
    bias = None if conv.bias is None else conv.bias.float()
    return F.conv2d(x, conv.weight.float(), bias, padding=conv.padding)  # type: ignore[arg-type]


def _interpolate_positions(embeddings: Any, tokens: Tensor, height: Any, width: Any) -> Tensor:
    """Position table [1, 1 + N, C] of a picture of height x width pixels: bicubic from the one that was learnt.

    Without a branch on the size, so that a trace holds for every size.
    """
    table = embeddings.position_embeddings
    side = math.isqrt(table.shape[1] - 1)
    rows, columns = height // PATCH, width // PATCH
    other = torch.as_tensor(rows != side) | torch.as_tensor(columns != side)
    offset = (OFFSET * other).to(table.device)
    grid = rearrange(table[:, 1:].float(), "b (h w) c -> b c h w", h=side)
    wide = F.pad(grid, (2, 2, 2, 2), mode="replicate")
    across, down = (_cubic_weights(count, side, offset)[None, None] for count in (columns, rows))
    sampled = torch.matmul(torch.matmul(down, wide), across.transpose(2, 3))  # [1, C, rows, columns]
    return torch.cat((table[:, :1].float(), sampled.flatten(2).transpose(1, 2)), dim=1).to(tokens.dtype)


def _cubic_weights(count: Any, side: int, offset: Tensor) -> Tensor:
    """Weights [count, side + 4] that sample a row of `side` numbers, repeated twice at both ends, at count places."""
    places = (torch.arange(count, device=offset.device) + 0.5) * (side / (count + offset)) + 1.5
    distance = (places[:, None] - torch.arange(side + 4, device=offset.device)).abs()
    near = (1.25 * distance - 2.25) * distance * distance + 1
    far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))


def build_recipe(version: int, model: str, variant: Variant) -> Pretrained:
    """How a model is put together from one of its files."""
    convert = ORIGINAL if variant == "original" else None
    return Pretrained(
        "DepthAnythingForDepthEstimation", partial(build_config, version, model), convert=convert, wrap=DepthAnything
    )


def compute_input_size(size: Size, side: int) -> Size:
    """What the network sees of a picture: shorter side at least `side`, aspect kept, both multiples of 14.

    As in the authors' code, but for pictures more than 4 times as long as wide, which are seen smaller.
    """
    pixels = size.height * size.width
    k = min(side / min(size), math.sqrt(min(MAX_ASPECT * side**2, MOST_PIXELS) / pixels))
    floor = side if k * min(size) >= side - 0.5 else PATCH
    return Size(*(_round_to_patch(k * length, floor) for length in size))


def _round_to_patch(length: float, floor: int) -> int:
    nearest = round(length / PATCH) * PATCH
    return nearest if nearest >= floor else math.ceil(max(length, floor) / PATCH) * PATCH


def estimate_v1(
    images: Images, size: Size, model: DepthAnything1, variant: Variant, input_size: int, placement: Placement
) -> Values:
    """Disparity float32 [B, *size] of uint8 [B, H, W, 3] by v1."""
    return _estimate(
        images, size, DEPTH_ANYTHING_1[model, variant], build_recipe(1, model, variant), input_size, placement
    )


def estimate_v2(
    images: Images, size: Size, model: DepthAnything2, variant: Variant, input_size: int, placement: Placement
) -> Values:
    """Disparity, or metres where the model is one of METRES, float32 [B, *size] of uint8 [B, H, W, 3] by v2."""
    return _estimate(
        images, size, DEPTH_ANYTHING_2[model, variant], build_recipe(2, model, variant), input_size, placement
    )


def _estimate(
    images: Images, size: Size, weight: Weight, load: Pretrained, input_size: int, placement: Placement
) -> Values:
    seen = compute_input_size(Size(*images.shape[1:3]), input_size)
    net = load_assembled(weight, load, placement)
    length = find_chunk_length(placement, *seen)
    made: list[Values] = []
    for start in range(0, len(images), length):
        raw = net(normalise(_resize(images[start : start + length], seen)))[:, None]
        made.append(F.interpolate(raw, size=tuple(size), mode="bilinear", align_corners=False)[:, 0].cpu().numpy())
    return np.concatenate(made)


def _resize(images: Images, size: Size) -> Tensor:
    """Resize to float32 [B, 3, *size] in about 0..255; bicubic overshoots are kept, as in the authors' code."""
    shape = (size.width, size.height)
    resized = [cv2.resize(image.astype(np.float32), shape, interpolation=cv2.INTER_CUBIC) for image in images]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
