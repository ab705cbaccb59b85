"""Stand-ins for OpenPose's networks: they see a person in every picture that is not flat in its corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tests.support import pose_maps
from torch import nn

from underdrawing.preprocessors.nets.openpose import network

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Somebody(nn.Module):
    """Maps of people who stand in a grid."""

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        cells = (x.shape[2] // 8, x.shape[3] // 8)
        stretch = np.array(cells[::-1]) / pose_maps.CELLS[self.count][::-1]
        maps = torch.from_numpy(pose_maps.body_maps(pose_maps.crowd(self.count) * stretch, cells))
        return torch.stack([maps if one[:8, :8].std() else torch.zeros_like(maps) for one in x[:, 0]]).to(x)


class Somewhat(nn.Module):
    """Maps of a hand or face, of which every seventh joint is hidden."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor:
        lost = tuple(range(3, self.maps, 7))
        maps = torch.from_numpy(pose_maps.part_maps(self.maps, x.shape[-1] // 8, lost=lost))
        return maps.to(x)[None].repeat(len(x), 1, 1, 1)


BUILDERS: dict[Callable[[Any], nn.Module], Callable[[Any], nn.Module]] = {
    network.build_body: lambda metadata: Somebody(),
    network.build_hand: lambda metadata: Somewhat(network.HAND_MAPS),
    network.build_face: lambda metadata: Somewhat(network.FACE_MAPS),
}
