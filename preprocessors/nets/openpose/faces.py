"""The 70 landmarks of faces. Needs numpy, OpenCV and torch.

A landmark is where its map is largest when it is enlarged to the crop's size. Only the surroundings of the hottest
cells are enlarged, and whole maps only to settle ties.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch.nn import functional as F

from ....core.networks.cache import load_network
from ...weights import openpose_files
from .keypoints import CropKeypoint, iter_maps, resize_to_squares
from .network import FACE_MAPS, build_face

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ....core.networks.placement import Placement
    from .keypoints import CropKeypoints

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]
    Index = NDArray[np.intp]

LANDMARKS = FACE_MAPS - 1
"""The last map is the background."""
SIDE = 384
THRESHOLD = 0.05
SLACK = 1e-5
"""Relative error of the official code's float32 interpolation, generously."""


def find_faces(crops: Sequence[NDArray[np.uint8]], placement: Placement) -> list[CropKeypoints]:
    """Landmarks of faces in BGR crops of any sizes, None for those that are not seen."""
    if not crops:
        return []
    net = load_network(openpose_files.FACE, build_face, placement)
    maps = iter_maps(net, resize_to_squares(crops, SIDE), placement)
    return [decode_landmarks(one, *crop.shape[:2]) for one, crop in zip(maps, crops, strict=True)]


def decode_landmarks(maps: Tensor, height: int, width: int) -> CropKeypoints:
    """Landmarks in maps [71, cells, cells] of a crop: where each is largest at the crop's size, if above 0.05."""
    heats = maps[:LANDMARKS].cpu().numpy()
    rows, columns = LinearAxis.of(heats.shape[1], height), LinearAxis.of(heats.shape[2], width)
    slack = SLACK * np.abs(heats).max((1, 2))
    hot = heats >= (_reached_heat(heats, rows, columns) - slack)[:, None, None]
    spans = zip(rows.touching(hot.any(2)), columns.touching(hot.any(1)), strict=True)
    spots = [_find_landmark(heats[at], slack[at], rows, columns, *span) for at, span in enumerate(spans)]
    if None in spots:
        official = _find_landmarks_by_reference(maps, height, width)
        spots = [official[at] if spot is None else spot for at, spot in enumerate(spots)]
    return [spot if spot is not None and spot.heat > THRESHOLD else None for spot in spots]


class LinearAxis(NamedTuple):
    """Linear interpolation of one side, corner to corner. weights: [pixels, cells]; place: of each pixel, in cells."""

    weights: F64
    place: F64

    @staticmethod
    @lru_cache(maxsize=64)
    def of(cells: int, pixels: int) -> LinearAxis:
        """Side of this many cells that is shown in so many pixels."""
        place = np.linspace(0, cells - 1, pixels, dtype=np.float64)
        return LinearAxis(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells))), place)

    def nearest(self, cell: Index) -> Index:
        """Pixel nearest to each cell."""
        return np.abs(self.place[:, None] - cell).argmin(0)

    def touching(self, hot: NDArray[np.bool_]) -> list[slice]:
        """Pixels to which anything from the first to the last hot cell contributes, for each of [n, cells]."""
        first, last = hot.argmax(1), hot.shape[1] - 1 - hot[:, ::-1].argmax(1)
        start, end = (np.searchsorted(self.place, at, side="right") for at in (first - 1, last + 1))
        return [slice(*span) for span in zip(start.tolist(), np.maximum(end, start + 1).tolist(), strict=True)]


def _reached_heat(heats: F32, rows: LinearAxis, columns: LinearAxis) -> F64:
    """Heat of a pixel near the hottest cell of each map [n, cells, cells]: the largest pixel has no less."""
    y, x = np.unravel_index(heats.reshape(len(heats), -1).argmax(1), heats.shape[1:])
    down, across = rows.weights[rows.nearest(y)], columns.weights[columns.nearest(x)]
    return ((down[:, None] @ heats)[:, 0] * across).sum(1)


def _find_landmark(
    heat: F32, slack: float, rows: LinearAxis, columns: LinearAxis, y: slice, x: slice
) -> CropKeypoint | None:
    """Largest pixel of one map; it lies in these rows and columns, because no pixel exceeds the cells round it. None
    where rounding might decide.
    """
    pixels = rows.weights[y] @ heat @ columns.weights[x].T
    at = int(pixels.argmax())
    down, across = divmod(at, pixels.shape[1])
    best = float(pixels[down, across])
    if np.count_nonzero(pixels >= best - slack) > 1 or abs(best - THRESHOLD) <= slack:
        return None
    return CropKeypoint(x.start + across, y.start + down, best)


def _find_landmarks_by_reference(maps: Tensor, height: int, width: int) -> list[CropKeypoint]:
    """Largest pixel of each map as the official code finds it: all maps enlarged together, which matters for ties."""
    large = F.interpolate(maps[None].cpu().contiguous(), (height, width), mode="bilinear", align_corners=True)
    flat = large[0].flatten(1).numpy()
    places = flat.argmax(1)
    return [
        CropKeypoint(int(at) % width, int(at) // width, float(one[at])) for one, at in zip(flat, places, strict=True)
    ]
