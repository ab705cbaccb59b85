"""CSPNeXt, the backbone of RTMDet and RTMPose. Needs torch.

Lyu et al. 2022, "RTMDet", arXiv:2212.07784; https://github.com/open-mmlab/mmpose (Apache-2.0). Keys: mmpose's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from .csp import ConvSiLU, SpatialPyramidPooling

if TYPE_CHECKING:
    from torch import Tensor

STAGES = ((128, 3), (256, 6), (512, 6), (1024, 3))
"""Channels and blocks of every stage at full width and depth."""
STEM = 64


class DepthwiseSeparable(nn.Module):
    """5 x 5 convolution of each channel by itself, then one that mixes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvSiLU(width, width, 5, groups=width)
        self.pointwise_conv = ConvSiLU(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        return self.pointwise_conv(self.depthwise_conv(x))


class Block(nn.Module):
    """3 x 3 and separable 5 x 5 convolution; residual: whether what came in is added."""

    def __init__(self, width: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = ConvSiLU(width, width, 3)
        self.conv2 = DepthwiseSeparable(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        h = self.conv2(self.conv1(x))
        return h.add_(x) if self.residual else h


class ChannelAttention(nn.Module):
    """Factor of every channel, from the means of all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CspLayer(nn.Module):
    """Half of the channels through blocks, half past them."""

    def __init__(self, width: int, count: int, *, residual: bool) -> None:
        super().__init__()
        half = width // 2
        self.main_conv, self.short_conv = ConvSiLU(width, half), ConvSiLU(width, half)
        self.blocks = nn.Sequential(*(Block(half, residual=residual) for _ in range(count)))
        self.attention = ChannelAttention(2 * half)
        self.final_conv = ConvSiLU(2 * half, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1)
        return self.final_conv(self.attention(both))


class CspNext(nn.Module):
    """Features at 1/32. depth, width: factors of the numbers of blocks and channels."""

    def __init__(self, depth: float, width: float) -> None:
        super().__init__()
        first = int(STEM * width)
        half = int(STEM * width // 2)
        self.stem = nn.Sequential(ConvSiLU(3, half, 3, 2), ConvSiLU(half, half, 3), ConvSiLU(half, first, 3))
        self.stage1, self.stage2, self.stage3, self.stage4 = _build_stages(first, depth, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, 1024 * width, H / 32, W / 32]."""
        return self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))


def _build_stages(source: int, depth: float, width: float) -> list[nn.Sequential]:
    """Each halves the size; the last one looks around with a pyramid, and its blocks add nothing."""
    made: list[nn.Sequential] = []
    for channels, count in STAGES:
        wide, last = int(channels * width), channels == STAGES[-1][0]
        layer = CspLayer(wide, max(round(count * depth), 1), residual=not last)
        around = [SpatialPyramidPooling(wide)] if last else []
        made.append(nn.Sequential(ConvSiLU(source, wide, 3, 2), *around, layer))
        source = wide
    return made
