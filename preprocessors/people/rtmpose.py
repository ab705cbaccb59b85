"""RTMPose: points of a figure in a box. Imported lazily (needs numpy and OpenCV).

RTMPose: Jiang et al. 2023, arXiv:2303.07399; its SimCC output: Li et al. 2022, arXiv:2107.03332; DWPose: Yang et al.
2023, arXiv:2307.15880. https://github.com/IDEA-Research/DWPose, https://github.com/open-mmlab/mmpose (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...core.networks.onnx import onnx_network
from .regions import Regions, pieces
from .runtimes import is_onnx

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]
    Network = Callable[[Array], tuple[Array, ...]]

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
SPREAD = np.array([58.395, 57.12, 57.375], np.float32)
SLOPE, START = (1 / SPREAD)[:, None, None], (MEAN / SPREAD)[:, None, None]
"""Levels times SLOPE less START are what the network sees."""
MARGIN = 1.25
SPLIT = 2
"""Bins of a curve per pixel of the crop."""


def points(image: Image, boxes: Array, weight: Weight, placement: Placement, size: tuple[int, int]) -> Array:
    """Points of every box in a picture [H, W, 3] RGB: float32 [N, K, 3], x, y in its pixels and confidence.

    boxes: [N, 4], left, top, right, bottom. size: width and height of the network's input. All boxes of a picture go
    through together, up to TOGETHER. A point that was not found has a confidence of 0 or less.
    """
    network = _network(weight, placement)
    found = [_found(network, image, some, size) for some in pieces(boxes)]
    return np.concatenate(found)


def _network(weight: Weight, placement: Placement) -> Network:
    if is_onnx(weight):
        return onnx_network(weight, placement)
    from ..nets.rtmpose_net import curves

    return curves(weight, placement)


def _found(network: Network, image: Image, boxes: Array, size: tuple[int, int]) -> Array:
    areas = regions(boxes, size)
    across, down = network(crops(image, areas, size))[:2]
    return placed(decoded(across, down), areas, size)


def regions(boxes: Array, size: tuple[int, int]) -> Regions:
    """Boxes with a margin, widened to the network's shape."""
    aspect = size[0] / size[1]
    wide, high = ((boxes[:, 2:] - boxes[:, :2]) * MARGIN).T
    sizes = np.stack([np.maximum(wide, high * aspect), np.maximum(high, wide / aspect)], 1)
    return Regions((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), sizes.astype(np.float32))


def crops(image: Image, areas: Regions, size: tuple[int, int]) -> Array:
    """Cut regions out, black beyond the picture: float32 [N, 3, H, W], normalised."""
    return areas.cut(size, SLOPE, START, lambda centre, extent: _crop(image, centre, extent, size))


def _crop(image: Image, centre: Array, extent: Array, size: tuple[int, int]) -> Image:
    k = size[0] / max(float(extent[0]), 1e-6)
    x, y = (size[axis] / 2 - k * float(centre[axis]) for axis in (0, 1))
    return np.asarray(cv2.warpAffine(image, np.array([[k, 0, x], [0, k, y]]), size, flags=cv2.INTER_LINEAR), np.uint8)


def decoded(across: Array, down: Array) -> Array:
    """Surest bins of SimCC [N, K, W * SPLIT] and [N, K, H * SPLIT]: [N, K, 3], x, y in the crop and confidence."""
    x, y = across.argmax(-1) / SPLIT, down.argmax(-1) / SPLIT
    return np.stack([x, y, np.minimum(across.max(-1), down.max(-1))], -1).astype(np.float32)


def placed(found: Array, areas: Regions, size: tuple[int, int]) -> Array:
    """From the crops to the picture."""
    return areas.placed(found[..., :2] / np.array(size, np.float32), found[..., 2:])
