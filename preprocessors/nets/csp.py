"""What CSPNeXt and YOLOX are both made of. Needs torch.

CSP: Wang et al. 2019, arXiv:1911.11929; SPP: He et al. 2014, arXiv:1406.4729. Convolutions are published with a batch
norm beside them, `bn` beside `conv`, which `fold_batch_norms` folds into them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from ..layers.batch_norm_folding import fold_by_name

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

BATCH_NORM_RULES = ((r"\bbn$", "conv"),)
POOL = 5
"""Side of the smallest maximum of the pyramid."""


class ConvSiLU(nn.Module):
    """Convolution that keeps the size (or halves it, with a stride of 2), then SiLU."""

    def __init__(self, source: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(source, width, kernel, stride, padding=(kernel - 1) // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, width, H / stride, W / stride]."""
        return F.silu(self.conv(x), inplace=True)


class SpatialPyramidPooling(nn.Module):
    """Maxima over 5 x 5, 9 x 9 and 13 x 13 beside what they are taken of.

    A maximum over 5 x 5 of maxima over 5 x 5 is one over 9 x 9.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvSiLU(width, width // 2)
        self.conv2 = ConvSiLU(width // 2 * 4, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> the same."""
        levels = [self.conv1(x)]
        for _ in range(3):
            levels.append(F.max_pool2d(levels[-1], POOL, 1, POOL // 2))
        return self.conv2(torch.cat(levels, 1))


def fold_batch_norms(tensors: Tensors, eps: float) -> Tensors:
    """Tensors with every batch norm folded into its convolution; what fits nowhere is handed on."""
    return fold_by_name(tensors, BATCH_NORM_RULES, eps)
