"""Informative drawings: line drawings of photographs.

Paper: Chan, Durand and Isola, "Learning to generate line drawings that convey geometry and semantics", CVPR 2022
(arXiv:2203.12691). Weights: sk_model.pth (fine) and sk_model2.pth (coarse) of lllyasviel/Annotators, MIT.

Every convolution but the last is followed by instance norm, whose mean and spread are taken over the whole picture:
what is added to a picture changes its lines everywhere. So pictures are padded no further than the network needs.
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
from ..layers.norms import apply_instance_norm
from ..weights.lineart_files import LINEART

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ..weights.lineart_files import Detail

MULTIPLE = 4
"""Sides the network is given are multiples of this."""
SMALLEST = 8
"""Side from which reflection at its innermost convolutions has something to reflect."""
BLOCKS = 3


class Residual(nn.Module):
    """Two 3x3 convolutions of 256 channels beside a straight path."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_block = nn.ModuleDict({"1": nn.Conv2d(256, 256, 3), "5": nn.Conv2d(256, 256, 3)})

    def forward(self, x: Tensor) -> Tensor:
        """[B, 256, H, W] to the same shape."""
        h = apply_instance_norm(self.conv_block["1"](_pad_reflect(x, 1)), 0)
        return apply_instance_norm(self.conv_block["5"](_pad_reflect(h, 1))).add_(x)


class Generator(nn.Module):
    """Drawing [B, H, W], 1 = paper and 0 = ink, of RGB pictures [B, 3, H, W] in 0..255 with sides multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.model0 = nn.ModuleDict({"1": nn.Conv2d(3, 64, 7)})
        self.model1 = nn.ModuleDict({"0": _build_down(64), "3": _build_down(128)})
        self.model2 = nn.ModuleList(Residual() for _ in range(BLOCKS))
        self.model3 = nn.ModuleDict({"0": _build_up(256), "3": _build_up(128)})
        self.model4 = nn.ModuleDict({"1": nn.Conv2d(64, 1, 7)})

    def forward(self, x: Tensor) -> Tensor:
        """Two halvings, three residual blocks, two doublings; the outermost kernels are 7 wide."""
        h = apply_instance_norm(self.model0["1"](_pad_reflect(x / 255, 3)), 0)
        for down in self.model1.values():
            h = apply_instance_norm(down(h), 0)
        for block in self.model2:
            h = block(h)
        for up in self.model3.values():
            h = apply_instance_norm(up(h), 0)
        return torch.sigmoid(_convolve_to_one_channel(h, self.model4["1"]).float())


def _build_down(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)


def _build_up(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)


def _pad_reflect(x: Tensor, border: int) -> Tensor:
    return F.pad(x, (border, border, border, border), mode="reflect")


def _convolve_to_one_channel(x: Tensor, conv: nn.Module) -> Tensor:
    """Apply a 7x7 convolution [B, 64, H, W] -> [B, H, W] with reflected borders.

    As a 7x1 convolution to one channel for each column of the kernel, and a sum of the shifted channels: convolutions
    to a single channel leave most of a CPU's vector units idle.
    """
    kernel, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
    columns = F.conv2d(F.pad(x, (0, 0, 3, 3), mode="reflect"), kernel[0].permute(2, 0, 1)[..., None])
    columns = F.pad(columns.float(), (3, 3, 0, 0), mode="reflect")
    width = x.shape[-1]
    total = columns[:, 0, :, :width] + bias
    for shift in range(1, 7):
        total = total + columns[:, shift, :, shift : shift + width]
    return total


def build(metadata: Mapping[str, str]) -> Generator:
    """Both files have the same shapes, so their metadata decides nothing."""
    return Generator()


def draw_lines(images: Images, detail: Detail, placement: Placement) -> Values:
    """Pencil drawing float32 [B, H, W] of uint8 [B, H, W, 3]: 1 = paper, 0 = ink."""
    size = Size(*images.shape[1:3])
    padded = find_padded_size(Size(max(SMALLEST, size.height), max(SMALLEST, size.width)), MULTIPLE)
    values = run_in_chunks(load_network(LINEART[detail], build, placement), pad_batch(images, padded), placement)
    return np.ascontiguousarray(values[:, : size.height, : size.width])
