"""TEED, a tiny and efficient edge detector.

Paper: Soria et al., "Tiny and efficient model for the edge detection generalization", ICCV workshops 2023
(arXiv:2308.06468); code and weights MIT. Smish: Wang et al., Electronics 11(4), 2022.

Upstream subtracts a mean colour (in BGR); every host feeds RGB 0..255 as it is, and so is it done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.norms import can_split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

MULTIPLE = 64
"""Sides the network is given are multiples of this, as in A1111 and ComfyUI; it needs multiples of 4."""
CHUNK = 2**16
"""Numbers worked on at once, so that they stay in a CPU's cache."""


def apply_smish(x: Tensor) -> Tensor:
    """x * tanh(ln(1 + sigmoid(x))), in place; written with (1 + sigmoid(x))^2, which spares a tanh and a logarithm."""
    run = x if x.is_contiguous() else x.movedim(1, -1)
    if not can_split(run):
        return x.mul_(_gate(x))
    for piece in run.view(-1).split(CHUNK):
        piece.mul_(_gate(piece.float()))
    return x


def _gate(x: Tensor) -> Tensor:
    """tanh(ln(1 + s)) = ((1 + s)^2 - 1) / ((1 + s)^2 + 1) for s = sigmoid(x)."""
    s = torch.sigmoid(x)
    q = torch.addcmul(s, s, s, value=0.5)  # half of s^2 + 2 s
    return q.div_(q + 1)


class Double(nn.Module):
    """Two 3x3 convolutions, each followed by smish by default."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1, *, ends: bool = True) -> None:
        super().__init__()
        self.ends = ends
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H / stride, W / stride]."""
        x = self.conv2(apply_smish(self.conv1(x)))
        return apply_smish(x) if self.ends else x


class Single(nn.Module):
    """1x1 convolution."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H / stride, W / stride]."""
        return self.conv(x)


class Dense(nn.Module):
    """Two 3x3 convolutions, the first of which looks a pixel past the border, averaged with a straight path."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, 1, 2)
        self.conv2 = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """x [B, C, H, W] (overwritten), beside [B, channels, H, W] -> the latter's shape."""
        return self.conv2(apply_smish(self.conv1(apply_smish(x)))).add_(beside).mul_(0.5)


class Up(nn.Module):
    """Doublings to the picture's size, to one channel at last."""

    def __init__(self, channels_in: int, *widths: int) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        kernel, border = 2 ** len(widths), len(widths) - 1
        for index, width in enumerate(widths):
            self.features[str(3 * index)] = nn.Conv2d(channels_in, width, 1)
            self.features[str(3 * index + 2)] = nn.ConvTranspose2d(width, width, kernel, 2, border)
            channels_in = width

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 1, H * 2^n, W * 2^n] of n doublings."""
        for index in range(0, len(self.features) * 3 // 2, 3):
            x = self.features[str(index + 2)](apply_smish(self.features[str(index)](x)))
        return x


class Fusion(nn.Module):
    """Joins the three sides: 8 kernels for each, 1 more for each of those 24, and the sum of all 48 outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.DWconv1 = nn.Conv2d(3, 24, 3, padding=1, groups=3)
        self.DWconv2 = nn.Conv2d(24, 24, 3, padding=1, groups=24)

    def forward(self, sides: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, H, W].

        The sum of a depthwise convolution's outputs is one convolution to one channel; so both are done.
        """
        kernel, offset = self.DWconv2.weight, self.DWconv2.get_parameter("bias")
        h = self.DWconv1(apply_smish(sides))
        total = h.sum(1)
        total = total + F.conv2d(apply_smish(h), kernel.transpose(0, 1), padding=1)[:, 0] + offset.sum()
        return apply_smish(total)


class TED(nn.Module):
    """Edge probability [B, H, W] (float32) of RGB pictures [B, 3, H, W] in 0..255 with sides multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.block_1 = Double(3, 16, stride=2)
        self.block_2 = Double(16, 32, ends=False)
        self.dblock_3 = nn.ModuleDict({"denselayer1": Dense(32, 48)})
        self.side_1 = Single(16, 32, stride=2)
        self.pre_dense_3 = Single(32, 48)
        self.up_block_1, self.up_block_2, self.up_block_3 = Up(16, 1), Up(32, 1), Up(48, 16, 1)
        self.block_cat = Fusion()

    def forward(self, x: Tensor) -> Tensor:
        """Three sides at 1/2, 1/2 and 1/4 of the size and their fusion; the mean of the four logits, squashed."""
        one = self.block_1(x)
        two = self.block_2(one)
        down = F.max_pool2d(two, 3, 2, 1)
        three = self.dblock_3["denselayer1"](down + self.side_1(one), self.pre_dense_3(down))
        sides = torch.cat([self.up_block_1(one), self.up_block_2(two), self.up_block_3(three)], dim=1)
        logits = sides.float().sum(1) + self.block_cat(sides.clone()).float()
        return torch.sigmoid(logits / 4)


def build(metadata: Mapping[str, str]) -> TED:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return TED()


def predict_edges(images: Images, weight: Weight, placement: Placement) -> Values:
    """Edge probability float32 [B, H, W] of uint8 [B, H, W, 3], edge-padded for the network and cropped again."""
    size = Size(*images.shape[1:3])
    values = run_in_chunks(
        load_network(weight, build, placement), pad_batch(images, find_padded_size(size, MULTIPLE)), placement
    )
    return np.ascontiguousarray(values[:, : size.height, : size.width])
