"""Manga line extraction: structural lines of manga and drawings without their screen tones.

Paper: Li, Liu and Wong, "Deep extraction of manga structural lines", ACM Transactions on Graphics 36 (2017). Weights:
erika.pth of lllyasviel/Annotators, from ljsabc/MangaLineExtraction_PyTorch.

A residual network that normalises and activates before each convolution. Batch norms that follow a convolution are
folded into it when the file is read; those that follow a sum stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.batch_norm_folding import fold_by_name
from ..layers.key_renaming import strip_prefix
from ..layers.norms import apply_leaky_affine
from ..weights.lineart_files import MANGA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    Widths = tuple[tuple[int, int, int], ...]

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement

MULTIPLE = 64
"""Sides the network is given are multiples of this, as in A1111; it halves them four times."""
SLOPE = 0.2
EPSILON = 1e-3
ENCODER = ((1, 24, 2), (24, 48, 3), (48, 96, 5), (96, 192, 7), (192, 384, 12))
"""Channels in, channels out and number of units of each block; all but the first halve in their last unit."""
DECODER = ((384, 192, 7), (192, 96, 5), (96, 48, 3), (48, 24, 2))
"""The same of the blocks that double in their first unit."""
FOLLOWING = ((r"^(.*)\.residual\.model\.0$", r"\1.conv1.model.2"),)
"""Batch norms that follow a convolution, and which."""


class PreActivationConv(nn.Module):
    """Batch norm and leaky ReLU before a convolution; the keys are those of the published layers."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2)
        self.model = nn.ModuleDict({"0": nn.BatchNorm2d(channels_in, eps=EPSILON), "2": conv})

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> convolved."""
        norm = cast("nn.BatchNorm2d", self.model["0"])
        scale, shift = _compute_affine(
            norm.weight, norm.bias, norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        )
        return self.model["2"](apply_leaky_affine(x, scale, shift, SLOPE))


class ActivationConv(nn.Module):
    """Leaky ReLU before a convolution; its batch norm has gone into the convolution before."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"2": nn.Conv2d(channels, channels, 3, 1, 1)})

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W], overwritten, -> convolved."""
        return self.model["2"](F.leaky_relu_(x, SLOPE))


class ShortcutConv(nn.Module):
    """1x1 convolution of the path beside a unit that changes the number of channels or the size."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"0": nn.Conv2d(channels_in, channels, 1, stride)})

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H / stride, W / stride]."""
        return self.model["0"](x)


class Unit(nn.Module):
    """Two convolutions beside a straight path; scale: 1, 0.5 (the first convolution strides) or 2 (repeats pixels)."""

    def __init__(self, channels_in: int, channels: int, scale: float = 1) -> None:
        super().__init__()
        self.doubles, stride = scale == 2, 2 if scale == 0.5 else 1
        self.conv1 = PreActivationConv(channels_in, channels, stride=stride)
        self.residual = ActivationConv(channels)
        straight = channels_in == channels and stride == 1
        self.shortcut = nn.Identity() if straight else ShortcutConv(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H * scale, W * scale]."""
        beside, h = self.shortcut(x), self.conv1(x)
        if self.doubles:
            beside, h = _upsample(beside), _upsample(h)
        return self.residual(h).add_(beside)


class Block(nn.Module):
    """Units one after the other."""

    def __init__(self, channels_in: int, channels: int, count: int, first: float = 1, last: float = 1) -> None:
        super().__init__()
        scales = [first] + [1.0] * (count - 2) + [last]
        sources = [channels_in] + [channels] * (count - 1)
        units = [Unit(source, channels, scale) for source, scale in zip(sources, scales, strict=True)]
        self.model = nn.Sequential(*units)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, channels, H', W']."""
        return self.model(x)


class ResSkip(nn.Module):
    """Drawing [B, H, W] in 0..255, 255 = paper (and beyond), of grey pictures [B, 1, H, W] in 0..255."""

    def __init__(self, encoder: Widths = ENCODER, decoder: Widths = DECODER) -> None:
        super().__init__()
        first, *others = encoder
        self.block0 = Block(*first)
        self.block1, self.block2, self.block3, self.block4 = (Block(*widths, last=0.5) for widths in others)
        self.block5, self.block6, self.block7, self.block8 = (Block(*widths, first=2) for widths in decoder)
        self.block9 = Block(decoder[-1][1], 16, 2)
        self.conv15 = PreActivationConv(16, 1, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Down through five blocks, up through four, each doubling joined by a sum to its counterpart."""
        kept: list[Tensor] = []
        for block in (self.block0, self.block1, self.block2, self.block3):
            x = block(x)
            kept.append(x)
        x = self.block4(x)
        for block in (self.block5, self.block6, self.block7, self.block8):
            x = block(x).add_(kept.pop())
        return self.conv15(self.block9(x))[:, 0]


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def build(metadata: Mapping[str, str]) -> ResSkip:
    """There is one size of this network."""
    return ResSkip()


def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the prefix of training on several cards off and fold the batch norms that follow a convolution into it."""
    return fold_by_name(strip_prefix(tensors), FOLLOWING, EPSILON, conv_bias=True)


def _compute_affine(weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift (float32) that a batch norm amounts to."""
    scale = weight.float() * torch.rsqrt(variance.float() + EPSILON)
    return scale, bias.float() - mean.float() * scale


def extract_lines(images: Images, placement: Placement) -> Values:
    """Lines float32 [B, H, W] of uint8 [B, H, W, 3]: 1 = line, 0 = paper.

    The network sees luminance, edge-padded to multiples of 64, and the padding is cropped away again.
    """
    size = Size(*images.shape[1:3])
    grey = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])[..., None]
    padded = pad_batch(grey, find_padded_size(size, MULTIPLE))
    values = run_in_chunks(load_network(MANGA, build, placement, convert), padded, placement)
    shown = values[:, : size.height, : size.width]
    return np.clip(np.float32(1) - shown / np.float32(255), 0, 1)
