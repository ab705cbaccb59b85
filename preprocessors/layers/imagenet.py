"""Pictures as networks that began on ImageNet want them. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, RGB, in 0..1."""


def normalise(x: Tensor, *, reference_compat: bool = False) -> Tensor:
    """RGB [B, 3, H, W] in 0..255 to mean 0 and spread 1 over ImageNet.

    reference_compat: swap red and blue, and subtract and divide as if 0..255 were 0..1 (what other packs do to LeReS).
    """
    mean, std = (x.new_tensor(numbers).view(1, 3, 1, 1) for numbers in (MEAN, STD))
    return ((x.flip(1) if reference_compat else x / 255) - mean) / std
