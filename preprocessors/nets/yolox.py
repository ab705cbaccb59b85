"""YOLOX-L: boxes of COCO's 80 classes. Needs torch.

Ge et al. 2021, arXiv:2107.08430, https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0). Keys: its authors', in a
table called model. While the file is loaded batch norms are folded, and the stem, which sorts the picture's pixels into
12 channels of half its size before a 3 x 3 convolution, becomes one 6 x 6 convolution with a stride of 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ...core.networks.cache import load_network
from .csp import ConvSiLU, SpatialPyramidPooling, fold_batch_norms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]
    Tensors = dict[str, Tensor]

EPS = 1e-3
"""What its batch norms add to the variance."""
CLASSES = 80
STEM = "backbone.backbone.stem.conv.conv.weight"


class Block(nn.Module):
    """1 x 1 and 3 x 3 convolution; residual: whether what came in is added."""

    def __init__(self, width: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv1, self.conv2 = ConvSiLU(width, width), ConvSiLU(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        h = self.conv2(self.conv1(x))
        return h.add_(x) if self.residual else h


class CspLayer(nn.Module):
    """Half of the channels through blocks, half past them."""

    def __init__(self, source: int, width: int, count: int, *, residual: bool = False) -> None:
        super().__init__()
        half = width // 2
        self.conv1, self.conv2 = ConvSiLU(source, half), ConvSiLU(source, half)
        self.m = nn.Sequential(*(Block(half, residual=residual) for _ in range(count)))
        self.conv3 = ConvSiLU(2 * half, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, width, H, W]."""
        return self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))


class Stem(nn.Module):
    """First convolution, under its published name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvSiLU(3, width, 6, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, width, H / 2, W / 2]."""
        return self.conv(x)


class Darknet(nn.Module):
    """Features at 1/8, 1/16 and 1/32. base: channels of the stem. count: blocks of the short stages."""

    def __init__(self, base: int, count: int) -> None:
        super().__init__()
        self.stem = Stem(base)
        self.dark2 = nn.Sequential(ConvSiLU(base, 2 * base, 3, 2), CspLayer(2 * base, 2 * base, count, residual=True))
        self.dark3 = nn.Sequential(
            ConvSiLU(2 * base, 4 * base, 3, 2), CspLayer(4 * base, 4 * base, 3 * count, residual=True)
        )
        self.dark4 = nn.Sequential(
            ConvSiLU(4 * base, 8 * base, 3, 2), CspLayer(8 * base, 8 * base, 3 * count, residual=True)
        )
        wide = 16 * base
        self.dark5 = nn.Sequential(
            ConvSiLU(8 * base, wide, 3, 2), SpatialPyramidPooling(wide), CspLayer(wide, wide, count)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 3, H, W] -> 4, 8 and 16 times base channels."""
        eighth = self.dark3(self.dark2(self.stem(x)))
        sixteenth = self.dark4(eighth)
        return eighth, sixteenth, self.dark5(sixteenth)


class Neck(nn.Module):
    """Features of every level with those above and below it (PAFPN, Liu et al. 2018, arXiv:1803.01534)."""

    def __init__(self, base: int, count: int) -> None:
        super().__init__()
        low, mid, top = 4 * base, 8 * base, 16 * base
        self.backbone = Darknet(base, count)
        self.lateral_conv0, self.C3_p4 = ConvSiLU(top, mid), CspLayer(2 * mid, mid, count)
        self.reduce_conv1, self.C3_p3 = ConvSiLU(mid, low), CspLayer(2 * low, low, count)
        self.bu_conv2, self.C3_n3 = ConvSiLU(low, low, 3, 2), CspLayer(2 * low, mid, count)
        self.bu_conv1, self.C3_n4 = ConvSiLU(mid, mid, 3, 2), CspLayer(2 * mid, top, count)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 3, H, W] -> 4, 8 and 16 times base channels at 1/8, 1/16 and 1/32."""
        eighth, sixteenth, thirtysecond = self.backbone(x)
        top = self.lateral_conv0(thirtysecond)
        mid = self.reduce_conv1(self.C3_p4(torch.cat([_upsample(top), sixteenth], 1)))
        fine = self.C3_p3(torch.cat([_upsample(mid), eighth], 1))
        middle = self.C3_n3(torch.cat([self.bu_conv2(fine), mid], 1))
        return fine, middle, self.C3_n4(torch.cat([self.bu_conv1(middle), top], 1))


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """What is in every cell of every level: separate convolutions for the class and for the box."""

    def __init__(self, base: int) -> None:
        super().__init__()
        levels, width = (4 * base, 8 * base, 16 * base), 4 * base
        self.stems = nn.ModuleList(ConvSiLU(source, width) for source in levels)
        self.cls_convs, self.reg_convs = (nn.ModuleList(_build_pair(width) for _ in levels) for _ in range(2))
        self.cls_preds, self.reg_preds, self.obj_preds = (
            nn.ModuleList(nn.Conv2d(width, count, 1) for _ in levels) for count in (CLASSES, 4, 1)
        )

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Levels [B, C, H, W] -> [B, cells of all levels, 5 + CLASSES]."""
        return torch.cat([self._level(i, x).flatten(2) for i, x in enumerate(levels)], 2).transpose(1, 2)

    def _level(self, i: int, x: Tensor) -> Tensor:
        h = self.stems[i](x)
        kinds, boxes = self.cls_convs[i](h), self.reg_convs[i](h)
        sure = torch.cat([self.obj_preds[i](boxes), self.cls_preds[i](kinds)], 1).sigmoid()
        return torch.cat([self.reg_preds[i](boxes), sure], 1)


def _build_pair(width: int) -> nn.Sequential:
    return nn.Sequential(ConvSiLU(width, width, 3), ConvSiLU(width, width, 3))


class Yolox(nn.Module):
    """The whole network; it takes BGR in 0..255. Offsets from cells and logarithms of sizes are left as they are."""

    def __init__(self, base: int = 64, count: int = 3) -> None:
        super().__init__()
        self.backbone, self.head = Neck(base, count), Head(base)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W], sides multiples of 32 -> [B, H * W * 21 / 1024, 5 + CLASSES], the finest level first."""
        return self.head(self.backbone(x))


def build(metadata: Mapping[str, str]) -> Yolox:
    """The size L."""
    return Yolox()


def convert(tensors: Tensors) -> Tensors:
    """Published tensors without batch norms, the stem in one."""
    kept = fold_batch_norms(tensors, EPS)
    if STEM in kept and kept[STEM].shape[1:] == (12, 3, 3):
        kept[STEM] = _unshuffle_stem(kept[STEM])
    return kept


def _unshuffle_stem(kernel: Tensor) -> Tensor:
    """[C, 12, 3, 3] over sorted pixels -> [C, 3, 6, 6] over the picture.

    Sorted are the pixels of each 2 x 2: upper left, lower left, upper right, lower right, three colours each.
    """
    pattern = "n (column row colour) h w -> n colour (h row) (w column)"
    return rearrange(kernel, pattern, column=2, row=2).contiguous()


def load_yolox(weight: Weight, placement: Placement) -> Callable[[Image], Array]:
    """Network of the published file: pictures [N, 3, H, W] BGR -> float32 [N, cells, 5 + CLASSES].

    Raises as `core.networks.cache`.
    """
    net = load_network(weight, build, placement, convert)
    return lambda pictures: net(torch.tensor(pictures).float()).float().cpu().numpy()
