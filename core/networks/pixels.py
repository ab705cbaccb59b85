"""Convolutions of 3 x 3 of few pixels as products with the kernels as they lie, channels last, and nothing copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from .products import multiply

if TYPE_CHECKING:
    from torch import Tensor


def filter_pixels(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve x [B, C, H, W] with weight [O, C, 3, 3] and borders of one zero, as one product with the nine pixels
    around each. Float32 [B, O, H, W] with its channels last."""
    count, channels, height, width = x.shape
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    sheet, line, pixel, _ = padded.stride()
    around = padded.as_strided((count, height, width, 3, 3, channels), (sheet, line, pixel, line, pixel, 1))
    kernels = weight.permute(0, 2, 3, 1).flatten(1)
    return multiply(around.reshape(count, height, width, -1), kernels, bias).permute(0, 3, 1, 2)


def find_pixel_gradient(gradient: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the input of that convolution [B, C, H, W] from that of its answer [B, O, H, W]: a product for
    each of the nine places, added where it belongs."""
    count, outputs, height, width = gradient.shape
    rows, kernels = gradient.permute(0, 2, 3, 1).reshape(-1, outputs), weight.permute(0, 2, 3, 1)
    padded = gradient.new_zeros(count, height + 2, width + 2, weight.shape[1])
    for down in range(3):
        for right in range(3):
            product = torch.mm(rows, kernels[:, down, right])
            padded[:, down : down + height, right : right + width] += product.view(count, height, width, -1)
    return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
