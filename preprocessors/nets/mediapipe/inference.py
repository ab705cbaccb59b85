"""Puts crops through one converted network. Needs numpy, torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np
import torch

from ....core.networks.cache import load_network
from .detection import Detections, build_anchors, decode_detections, suppress_overlaps
from .graph import Graph
from .regions import crop_region, to_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.networks.placement import Placement
    from ....core.weights.record import Weight
    from .regions import Region

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

CHUNK = 16
"""Crops that go through a network at once."""


class CropNetwork:
    """A network with its input range. low: -1 or 0, the value of black; white is 1."""

    def __init__(self, weight: Weight, placement: Placement, *, low: int = 0) -> None:
        exact = msgspec.structs.replace(placement, backend="torch")
        self.network, self.low = load_network(weight, Graph, exact), low
        self.size: tuple[int, int] = cast(Graph, self.network.module).size

    def __call__(self, image: Image, regions: Sequence[Region]) -> dict[str, Array]:
        """Outputs by name, one row per region; pictures stay channels first."""
        crops = np.stack([crop_region(image, region, self.size) for region in regions])
        parts = [self._run(crops[i : i + CHUNK]) for i in range(0, len(crops), CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, crops: Image) -> dict[str, Array]:
        x = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        x = x / 127.5 - 1 if self.low else x / 255
        return {name: value.float().cpu().numpy() for name, value in self.network(x).items()}


class Detector:
    """A single-shot detector that looks at regions of a picture and merges what it finds."""

    def __init__(self, net: CropNetwork, strides: Sequence[int]) -> None:
        self.net, self.centres = net, build_anchors(net.size[0], strides)

    def __call__(self, image: Image, regions: Sequence[Region], threshold: float, overlap: float = 0.3) -> Detections:
        """Finds in picture pixels, by score."""
        raw = self.net(image, regions)
        found = [
            to_picture_detections(decode_detections(boxes, scores, self.centres, self.net.size[0], threshold), region)
            for boxes, scores, region in zip(raw["boxes"], raw["scores"], regions, strict=True)
        ]
        return suppress_overlaps(Detections.joined([suppress_overlaps(each, overlap) for each in found]), overlap)


def to_picture_detections(found: Detections, region: Region) -> Detections:
    """Move finds from a region to the picture; boxes stay upright (exact for quarter turns)."""
    points = to_picture(found.points, region)
    box = np.stack([points[:, :2].min(1), points[:, :2].max(1)], 1)
    return Detections(found.scores, np.concatenate([box, points[:, 2:]], 1))
