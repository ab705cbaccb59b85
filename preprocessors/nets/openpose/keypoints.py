"""What hands and faces have in common: crops through a network, points out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from ....core.networks.batching import iter_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ....core.networks.network import Network
    from ....core.networks.placement import Placement


class CropKeypoint(NamedTuple):
    """Pixel of a crop, and heat there."""

    x: int
    y: int
    heat: float


CropKeypoints = list["CropKeypoint | None"]


def resize_to_squares(crops: Sequence[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """Crops of any sizes as [n, side, side, 3]: by areas where they shrink, otherwise Lanczos."""
    return np.stack([_resize_to_square(crop, side) for crop in crops])


def _resize_to_square(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    method = cv2.INTER_AREA if 2 * side < sum(crop.shape[:2]) else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(crop, (side, side), interpolation=method), np.uint8)


def iter_maps(network: Network, pictures: NDArray[np.uint8], placement: Placement) -> Iterator[Tensor]:
    """Maps [maps, cells, cells] of each picture [n, side, side, 3], float32 on the network's device."""
    for chunk in iter_chunks(pictures, placement):
        yield from network(chunk).float()
