"""Anime2Sketch: line drawings of anime pictures.

Source: Xiang, Liu et al., "Adversarial open domain adaptation for sketch-to-photo synthesis", WACV 2022
(arXiv:2104.05703), and their Anime2Sketch, a U-Net of pix2pix (Isola et al. 2017, arXiv:1611.07004) with instance norm.
Weights: netG.pth of lllyasviel/Annotators, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.key_renaming import strip_prefix
from ..layers.norms import apply_instance_norm
from ..weights.lineart_files import ANIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement
    from ..weights.lineart_files import Fit

A = TypeVar("A", bound="NDArray[Any]")

MULTIPLE = 256
"""Sides the network is given are multiples of this: it halves them eight times."""
SLOPE = 0.2
WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)
"""Channels after each halving."""
TAPS = ((3, 1, 4), (4, 2, 0))
"""Kernel rows that reach the upper and the lower of two output rows, from the input rows before, at and after it."""


class Level(nn.Module):
    """A halving, what lies below it, and the doubling back; the keys count torch's activations and norms as well."""

    def __init__(self, outside: int, inside: int, *further: int) -> None:
        super().__init__()
        self.innermost = not further
        self.model = nn.ModuleDict({"1": nn.Conv2d(outside, inside, 4, stride=2, padding=1)})
        if not self.innermost:
            self.model["3"] = Level(inside, *further)
        self.up = "3" if self.innermost else "5"
        self.model[self.up] = nn.ConvTranspose2d(inside * (2 - self.innermost), outside, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, C, H, W] after leaky ReLU -> those and what came from below [B, 2C, H, W], after ReLU.

        x is overwritten.
        """
        h = self.model["1"](x)
        h = F.relu_(h) if self.innermost else self.model["3"](apply_instance_norm(h, SLOPE))
        h = self.model[self.up](h)
        return torch.cat([F.relu_(x), apply_instance_norm(h, 0)], dim=1)


class Outermost(nn.Module):
    """First halving and last doubling, without norms."""

    def __init__(self, width: int, *further: int) -> None:
        super().__init__()
        first = nn.Conv2d(3, width, 4, stride=2, padding=1)
        last = nn.ConvTranspose2d(2 * width, 1, 4, stride=2, padding=1)
        self.model = nn.ModuleDict({"0": first, "1": Level(width, *further), "3": last})

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in -1..1 -> [B, 1, H, W] before the last activation."""
        h = self.model["1"](F.leaky_relu_(self.model["0"](x), SLOPE))
        return _upsample_to_one_channel(h, cast("nn.ConvTranspose2d", self.model["3"]))


class UNet(nn.Module):
    """Drawing [B, H, W], 1 = paper, of RGB pictures [B, 3, H, W] in 0..255 with sides multiples of 256."""

    example_side = MULTIPLE
    """Smallest picture it can be traced with."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.model = Outermost(*widths)

    def forward(self, x: Tensor) -> Tensor:
        """Scale, draw, squash."""
        return (torch.tanh(self.model(x / 127.5 - 1)[:, 0].float()) + 1) / 2


def _upsample_to_one_channel(x: Tensor, up: nn.ConvTranspose2d) -> Tensor:
    """Apply a transposed 4x4 convolution of stride 2 to one channel.

    As a 3x3 convolution to the four pixels of each doubled pixel: a CPU's vector units have more to do there.
    """
    spaced = F.pad(up.weight[:, 0], (0, 1, 0, 1))  # a row and a column of nothing, which TAPS calls 4
    taps = torch.tensor(TAPS, device=x.device)
    kernel = rearrange(spaced[:, taps][..., taps], "c row h column w -> (row column) c h w")
    return F.pixel_shuffle(F.conv2d(x, kernel, padding=1), 2) + up.get_parameter("bias").view(1, 1, 1, 1)


def build(metadata: Mapping[str, str]) -> UNet:
    """There is one size of this network."""
    return UNet(*WIDTHS)


def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the prefix off that training on several cards left."""
    return strip_prefix(tensors)


def draw_lines(images: Images, fit: Fit, placement: Placement) -> Values:
    """Line drawing float32 [B, H, W] of uint8 [B, H, W, 3]: 1 = paper, 0 = ink.

    fit: how the sides become multiples of 256. "stretch" resizes to them and the drawing back, corner on corner.
    """
    size = Size(*images.shape[1:3])
    seen = find_padded_size(size, MULTIPLE)
    fitted = pad_batch(images, seen) if fit == "pad" else _resize(images, seen)
    values = run_in_chunks(load_network(ANIME, build, placement, convert), fitted, placement)
    if fit == "pad":
        return np.ascontiguousarray(values[:, : size.height, : size.width])
    return np.clip(_resize(values, size), 0, 1)


def _resize(batch: A, size: Size) -> A:
    """Cubic whichever way, as the weights were used from their first day."""
    if batch.shape[1:3] == tuple(size):
        return batch
    resized = [cv2.resize(one, (size.width, size.height), interpolation=cv2.INTER_CUBIC) for one in batch]
    return np.stack(resized)  # type: ignore[return-value]
