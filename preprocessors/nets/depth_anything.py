"""Depth Anything v1 and v2: a DINOv2 backbone with a DPT head.

Papers: Yang et al., "Depth Anything", CVPR 2024 (arXiv:2401.10891) and "Depth Anything V2", NeurIPS 2024
(arXiv:2406.09414). Weights: v1, and v2 small, Apache-2.0; v2 base and large CC-BY-NC-4.0. Modules bear the names of the
authors' files; the keys of transformers' are renamed. The position table is sampled as in the authors' code (DINOv2's
offset of 0.1 patches), which transformers leaves out; it matters off 518 x 518.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size
from ...core.networks.batching import find_chunk_length
from ...core.networks.cache import load_network
from ..layers.dpt import UNUSED, Fusion
from ..layers.imagenet import normalise
from ..layers.key_renaming import KeyRenaming, join_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

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

NECK = r"neck\.fusion_stage\.layers\."
BLOCK, OWN_BLOCK = r"backbone\.encoder\.layer\.(\d+)\.", r"pretrained.blocks.\1."

RENAME = KeyRenaming([
    (r"(pretrained|backbone\.embeddings)\.mask_token", ""),  # of the backbone's training
    (UNUSED, ""),
    (NECK + r"0\.residual_layer1\..*", ""),
    (r"backbone\.embeddings\.cls_token", "pretrained.cls_token"),
    (r"backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
    (r"backbone\.embeddings\.patch_embeddings\.projection\.(\w+)", r"pretrained.patch_embed.proj.\1"),
    (r"backbone\.layernorm\.(\w+)", r"pretrained.norm.\1"),
    (BLOCK + r"layer_scale([12])\.lambda1", OWN_BLOCK + r"ls\2.gamma"),
    (BLOCK + r"(norm[12]|mlp\.fc[12])\.(\w+)", OWN_BLOCK + r"\2.\3"),
    (BLOCK + r"attention\.output\.dense\.(\w+)", OWN_BLOCK + r"attn.proj.\2"),
    (BLOCK + r"attention\.attention\.(query|key|value)\.(\w+)", OWN_BLOCK + r"attn.\2.\3"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.projection\.(\w+)", r"depth_head.projects.\1.\2"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.resize\.(\w+)", r"depth_head.resize_layers.\1.\2"),
    *((rf"neck\.convs\.{i}\.weight", f"depth_head.scratch.layer{i + 1}_rn.weight") for i in range(4)),
    *(
        (NECK + rf"{i}\.{theirs}", f"depth_head.scratch.refinenet{4 - i}.{ours}")
        for i in range(4)
        for theirs, ours in (
            (r"projection\.(\w+)", r"out_conv.\1"),
            (r"residual_layer([12])\.convolution([12])\.(\w+)", r"resConfUnit\1.conv\2.\3"),
        )
    ),
    (r"head\.conv1\.(\w+)", r"depth_head.scratch.output_conv1.\1"),
    (r"head\.conv2\.(\w+)", r"depth_head.scratch.output_conv2.0.\1"),
    (r"head\.conv3\.(\w+)", r"depth_head.scratch.output_conv2.2.\1"),
])  # fmt: skip
"""The keys of transformers' files to the authors', without what no map depends on."""


def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Either file's tensors under the authors' names."""
    return join_tensors(RENAME(tensors), ".attn.", ("query", "key", "value"), "qkv")


class LayerScale(nn.Module):
    """Factors of a residual branch, one a channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """x + gamma * branch, [B, N, width]."""
        return torch.addcmul(x, branch, self.gamma)


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, width], and as large."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two layers, four times as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, width], and as large."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One block of the transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.ls1, self.ls2 = (LayerScale(width) for _ in range(2))
        self.attn, self.mlp = Attention(width, heads), Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, width], and as large."""
        x = self.ls1(x, self.attn(self.norm1(x)))
        return self.ls2(x, self.mlp(self.norm2(x)))


class PatchEmbedding(nn.Module):
    """One token for each patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, H * W / 196, width]."""
        return self.proj(x).flatten(2).transpose(1, 2)


class DinoV2(nn.Module):
    """Vision transformer (Oquab et al. 2023, arXiv:2304.07193) that is read after some of its blocks.

    taps: numbers of those blocks, from 1.
    """

    def __init__(self, sizes: Backbone, taps: Sequence[int]) -> None:
        super().__init__()
        self.taps = taps
        self.cls_token = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + GRID * GRID, sizes.width))
        self.patch_embed = PatchEmbedding(sizes.width)
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.heads) for _ in range(sizes.blocks))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> four times [B, width, H / 14, W / 14]."""
        rows, columns = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), self.patch_embed(x)), dim=1)
        tokens = tokens + _interpolate_positions(self.pos_embed, rows, columns)
        read: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            if number in self.taps:
                patches = self.norm(tokens)[:, 1:]
                read.append(patches.reshape(x.shape[0], rows, columns, -1).permute(0, 3, 1, 2))
        return read


class Scratch(Fusion):
    """Fusion, and the convolutions from the fused map to one number a pixel.

    They run in float32 whatever the format: in bfloat16 the last maps would have no more than 256 levels.
    """

    def __init__(self, sizes: Backbone) -> None:
        super().__init__(sizes.channels, sizes.fused)
        half = sizes.fused // 2
        self.output_conv1 = nn.Conv2d(sizes.fused, half, 3, padding=1)
        self.output_conv2 = nn.Sequential(nn.Conv2d(half, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1))

    def forward(self, maps: list[Tensor], size: Any) -> Tensor:
        """Float32 [B, 1, *size]."""
        coarse = _convolve_float32(self.output_conv1, self.fuse(maps).float())
        fine = F.interpolate(coarse, size=size, mode="bilinear", align_corners=True)
        first, _, last = self.output_conv2
        return _convolve_float32(last, F.relu(_convolve_float32(first, fine), inplace=True))


class DepthHead(nn.Module):
    """Tokens of four blocks, brought to steps of 3.5, 7, 14 and 28 pixels, and fused."""

    def __init__(self, sizes: Backbone) -> None:
        super().__init__()
        one, two, _, four = sizes.channels
        self.projects = nn.ModuleList(nn.Conv2d(sizes.width, count, 1) for count in sizes.channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(one, one, 4, 4),
                nn.ConvTranspose2d(two, two, 2, 2),
                nn.Identity(),
                nn.Conv2d(four, four, 3, 2, padding=1),
            ]
        )
        self.scratch = Scratch(sizes)

    def forward(self, read: list[Tensor], size: Any) -> Tensor:
        """Float32 [B, 1, *size]."""
        layers = zip(read, self.projects, self.resize_layers, strict=True)
        return self.scratch([resize(project(found)) for found, project, resize in layers], size)


class DepthAnything(nn.Module):
    """Disparity (or metres) float32 [B, H, W] of RGB [B, 3, H, W] in ImageNet's mean and spread, sides multiples of 14.

    max_depth: metres that the output 1 stands for; 0 for a network whose output is a disparity.
    """

    def __init__(self, sizes: Backbone, taps: Sequence[int], max_depth: float = 0) -> None:
        super().__init__()
        self.max_depth = max_depth
        self.pretrained, self.depth_head = DinoV2(sizes, taps), DepthHead(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        raw = self.depth_head(self.pretrained(x), x.shape[-2:])[:, 0]
        return raw.sigmoid() * self.max_depth if self.max_depth else raw.relu()


class Builder(NamedTuple):
    """Makes the empty network of a version, 1 or 2, and a model such as "small_indoor"."""

    version: int
    model: str

    def __call__(self, metadata: Mapping[str, str]) -> DepthAnything:
        """Make it; nothing in a file's metadata matters."""
        size, _, place = self.model.partition("_")
        return DepthAnything(BACKBONES[size], BACKBONES[size].taps[self.version], MAX_DEPTH.get(place, 0))


def _convolve_float32(conv: Any, x: Tensor) -> Tensor:
    """Run a convolution in float32, whatever the format of its weights."""
    bias = None if conv.bias is None else conv.bias.float()
    return F.conv2d(x, conv.weight.float(), bias, padding=conv.padding)


def _interpolate_positions(table: Tensor, rows: Any, columns: Any) -> Tensor:
    """Position table [1, 1 + rows * columns, C]: bicubic from the one [1, 1 + N, C] that was learnt.

    Without a branch on the size, so that a trace holds for every size.
    """
    side = math.isqrt(table.shape[1] - 1)
    other = torch.as_tensor(rows != side) | torch.as_tensor(columns != side)
    offset = (OFFSET * other).to(table.device)
    grid = rearrange(table[:, 1:].float(), "b (h w) c -> b c h w", h=side)
    wide = F.pad(grid, (2, 2, 2, 2), mode="replicate")
    across, down = (_cubic_weights(count, side, offset)[None, None] for count in (columns, rows))
    sampled = torch.matmul(torch.matmul(down, wide), across.transpose(2, 3))  # [1, C, rows, columns]
    return torch.cat((table[:, :1].float(), sampled.flatten(2).transpose(1, 2)), dim=1).to(table.dtype)


def _cubic_weights(count: Any, side: int, offset: Tensor) -> Tensor:
    """Weights [count, side + 4] that sample a row of `side` numbers, repeated twice at both ends, at count places."""
    places = (torch.arange(count, device=offset.device) + 0.5) * (side / (count + offset)) + 1.5
    distance = (places[:, None] - torch.arange(side + 4, device=offset.device)).abs()
    near = (1.25 * distance - 2.25) * distance * distance + 1
    far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))


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


def estimate(
    images: Images, size: Size, weight: Weight, build: Builder, input_size: int, placement: Placement
) -> Values:
    """Disparity, or metres of a metric model, float32 [B, *size] of uint8 [B, H, W, 3]."""
    seen = compute_input_size(Size(*images.shape[1:3]), input_size)
    net = load_network(weight, build, placement, convert)
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
