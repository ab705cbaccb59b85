"""Dense prediction head of MiDaS's family: four maps fused from coarse to fine. Needs torch.

Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021 (arXiv:2103.13413). Modules bear the names of the
authors' files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

UNUSED = r"(.*\.)?scratch\.refinenet4\.resConfUnit1\..*"
"""Keys of published files that no network uses: the coarsest map has none to be added to."""


class ResidualUnit(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W], and as large."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x)), inplace=True))


class FusionBlock(nn.Module):
    """Adds a finer map to what is fused so far, and enlarges it. first: whether there is nothing fused so far."""

    def __init__(self, width: int, *, first: bool) -> None:
        super().__init__()
        self.resConfUnit1 = None if first else ResidualUnit(width)
        self.resConfUnit2 = ResidualUnit(width)
        self.out_conv = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, fused: Tensor | None, size: Any) -> Tensor:
        """[B, width, *size] of a map [B, width, H, W] and what is fused so far, as large.

        The last convolution comes before the enlargement: it has one weight a channel, so the order changes nothing
        but the work.
        """
        if self.resConfUnit1 is not None:
            x = fused + self.resConfUnit1(x)
        x = self.out_conv(self.resConfUnit2(x))
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class Fusion(nn.Module):
    """Four maps, the finest first, to one of twice the finest's sides. channels: of the maps; width: of the result."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        for i, count in enumerate(channels, start=1):
            self.add_module(f"layer{i}_rn", nn.Conv2d(count, width, 3, padding=1, bias=False))
            self.add_module(f"refinenet{i}", FusionBlock(width, first=i == len(channels)))

    def fuse(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse from the coarsest to the finest."""
        x: Tensor | None = None
        finest = maps[0].shape
        sizes = [(finest[-2] * 2, finest[-1] * 2), *(found.shape[-2:] for found in maps[:-1])]
        for i in range(len(maps), 0, -1):
            x = self.get_submodule(f"refinenet{i}")(self.get_submodule(f"layer{i}_rn")(maps[i - 1]), x, sizes[i - 1])
        assert x is not None
        return x
