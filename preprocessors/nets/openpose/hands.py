"""The 21 joints of hands. Needs numpy, OpenCV and torch.

Each hand is seen at four sizes, whose maps are averaged at 128 x 128. Of what the blurred average lifts above 0.05, the
connected part with the largest sum holds the joint, where its unblurred average is largest. Averages and blurs of all
hands are matrix products on the network's device; only connectedness is worked out on the CPU.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from ....core.networks.cache import load_network
from ...weights import openpose_files
from .keypoints import CropKeypoint, iter_maps, resize_to_squares
from .network import HAND_MAPS, STRIDE, build_hand
from .resampling import blur_rows, resize_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ....core.networks.placement import Placement
    from .keypoints import CropKeypoints

    F64 = NDArray[np.float64]

JOINTS = 21
SIDES = (184, 368, 552, 736)
"""Sizes at which the network sees a hand: 0.5, 1, 1.5 and 2 times that of its training."""
GRID = 128
THRESHOLD = 0.05
CROP_BLUR = 0.8
"""Sigma, in pixels of the crop, of the blur before anything else."""
MAX_BATCH = 16
"""Hands whose averages are held together."""


def find_hands(crops: Sequence[NDArray[np.uint8]], placement: Placement) -> list[CropKeypoints]:
    """Joints of hands in BGR crops of any sizes, None for those that are not seen."""
    found: list[CropKeypoints] = []
    for start in range(0, len(crops), MAX_BATCH):
        some = crops[start : start + MAX_BATCH]
        spots = decode_joints(average_maps(some, placement))
        found += [_to_crop(one, *crop.shape[:2]) for one, crop in zip(spots, some, strict=True)]
    return found


def average_maps(crops: Sequence[NDArray[np.uint8]], placement: Placement) -> Tensor:
    """Mean of the four sizes' maps [n, 21, 128, 128]."""
    net = load_network(openpose_files.HAND, build_hand, placement)
    soft = [np.asarray(cv2.GaussianBlur(crop, (0, 0), CROP_BLUR), np.uint8) for crop in crops]
    total: Tensor | None = None
    for side in SIDES:
        maps = iter_maps(net, resize_to_squares(soft, side), placement)
        part = torch.stack([resize_to_grid(one[:JOINTS]) for one in maps]) / len(SIDES)
        total = part if total is None else total + part
    return torch.zeros(0, HAND_MAPS - 1, GRID, GRID) if total is None else total


def resize_to_grid(maps: Tensor) -> Tensor:
    """Maps [n, cells, cells] resized twice, to 128 x 128, as the official code does it."""
    # Apple's devices have no double precision
    precise = torch.float32 if maps.device.type == "mps" else torch.float64
    way = torch.tensor(_grid_weights(maps.shape[-1]), dtype=precise).to(maps.device)
    return way @ maps.to(precise) @ way.T


@lru_cache(maxsize=8)
def _grid_weights(cells: int) -> F64:
    large = cells * STRIDE
    return resize_weights(large, GRID, cv2.INTER_AREA) @ resize_weights(cells, large)


def decode_joints(maps: Tensor) -> list[CropKeypoints]:
    """Joints in averaged maps [n, 21, 128, 128], in cells of the grid."""
    blur = torch.tensor(blur_rows(np.eye(GRID)), dtype=torch.float32).to(maps.device)
    flat = maps.flatten(0, 1)
    above = (blur @ flat.float() @ blur.T) > THRESHOLD
    spots = find_strongest(flat.cpu().numpy(), above.cpu().numpy())
    return [spots[at : at + JOINTS] for at in range(0, len(spots), JOINTS)]


def find_strongest(maps: NDArray[np.floating], above: NDArray[np.bool_]) -> CropKeypoints:
    """Largest value of each map [n, h, w] in that part of above that sums up highest; parts may hang by corners."""
    spots: CropKeypoints = [None] * len(maps)
    live = np.flatnonzero(above.any((1, 2)))
    owner, y, x = np.nonzero(above[live])
    if not owner.size:
        return spots
    values: F64 = maps[live[owner], y, x].astype(np.float64)
    label = _label_components(above[live])[owner, y, x]
    sums = np.bincount(label, weights=values)
    for at, (first, end) in enumerate(pairwise(np.searchsorted(owner, np.arange(live.size + 1)).tolist())):
        present = np.unique(label[first:end])
        own = first + np.flatnonzero(label[first:end] == present[sums[present].argmax()])
        top = int(own[values[own].argmax()])
        spots[live[at]] = CropKeypoint(int(x[top]), int(y[top]), float(values[top]))
    return spots


def _label_components(masks: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number of the connected part of each pixel [n, h, w], other numbers in every mask."""
    count, height, width = masks.shape
    column = np.zeros((count, height + 1, width), np.uint8)  # an empty line between one mask and the next
    column[:, :height] = masks
    _, labels = cv2.connectedComponents(column.reshape(-1, width), connectivity=8, ltype=cv2.CV_32S)
    return np.asarray(labels, np.int32).reshape(column.shape)[:, :height]


def _to_crop(spots: CropKeypoints, height: int, width: int) -> CropKeypoints:
    """From the grid to pixels of the crop, cut to whole ones."""
    return [
        None if spot is None else CropKeypoint(int(spot.x * width / GRID), int(spot.y * height / GRID), spot.heat)
        for spot in spots
    ]
