"""HED, holistically-nested edge detection: five blocks of a VGG-16 backbone, each with a side output.

Paper: Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015 (arXiv:1504.06375). The arrangement (RGB 0..255 minus
a learnt `norm`, sigmoid of the mean of the five sides) and the 37 keys are those of ControlNetHED, whose weights
(lllyasviel/Annotators, ControlNetHED.pth) are Apache-2.0; the bundled weights (bundled/NOTICE-hed.txt) are MIT.
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
from ..weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ..weights.hed_files import Model

MULTIPLE = 64
"""Sides the network is given are multiples of this."""

WIDTHS = ((3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3))
"""Channels in, channels out and number of convolutions of each block."""


class Block(nn.Module):
    """3x3 convolutions, each followed by ReLU, and a 1x1 projection to the block's side output."""

    def __init__(self, channels_in: int, channels: int, count: int) -> None:
        super().__init__()
        sources = [channels_in] + [channels] * (count - 1)
        self.convs = nn.ModuleList(nn.Conv2d(source, channels, 3, padding=1) for source in sources)
        self.projection = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, H, W] -> features [B, channels, H, W] and side logits [B, 1, H, W]."""
        for conv in self.convs:
            x = F.relu(conv(x), inplace=True)
        return x, self.projection(x)


class HED(nn.Module):
    """Edge probability [B, H, W] (float32) of RGB pictures [B, 3, H, W] in 0..255, of any size from 16 x 16."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.block1, self.block2, self.block3, self.block4, self.block5 = (Block(*widths) for widths in WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        """Side logits of all blocks, interpolated to the picture's size (half-pixel centres), averaged, squashed."""
        size = x.shape[-2:]
        h, side = self.block1(x - self.norm)
        total = side.float()
        for block in (self.block2, self.block3, self.block4, self.block5):
            h, side = block(F.max_pool2d(h, 2))
            total = total + F.interpolate(side.float(), size=size, mode="bilinear", align_corners=False)
        return torch.sigmoid(total[:, 0] / 5)


def build(metadata: Mapping[str, str]) -> HED:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return HED()


def predict_edges(images: Images, model: Model, placement: Placement) -> Values:
    """Edge probability float32 [B, H, W] of uint8 [B, H, W, 3].

    The network sees the pictures edge-padded to multiples of 64, as in A1111, and the padding is cropped away again.
    """
    size = Size(*images.shape[1:3])
    padded = pad_batch(images, find_padded_size(size, MULTIPLE))
    values = run_in_chunks(load_network(WEIGHTS[model], build, placement), padded, placement)
    return np.ascontiguousarray(values[:, : size.height, : size.width])
