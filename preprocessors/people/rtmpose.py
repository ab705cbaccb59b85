"""Keypoints by RTMPose: cropping of boxes, decoding of SimCC. Needs numpy and OpenCV.

RTMPose: Jiang et al. 2023, arXiv:2303.07399; its SimCC output: Li et al. 2022, arXiv:2107.03332; DWPose: Yang et al.
2023, arXiv:2307.15880. https://github.com/IDEA-Research/DWPose, https://github.com/open-mmlab/mmpose (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...core.networks.onnx import load_onnx_network
from ..weights.inference_backend import is_onnx
from ..weights.rtmpose_files import SIMCC_SPLIT
from .crops import Regions, split_batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]
    Network = Callable[[Array], tuple[Array, ...]]

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
SCALE, OFFSET = (1 / STD)[:, None, None], (MEAN / STD)[:, None, None]
"""The network's input is levels * SCALE - OFFSET."""
MARGIN = 1.25
"""Side of a crop over the side of its box."""


def estimate_keypoints(
    image: Image, boxes: Array, weight: Weight, placement: Placement, size: tuple[int, int]
) -> Array:
    """Keypoints of every box in an image [H, W, 3] RGB: float32 [N, K, 3], x, y in its pixels and confidence.

    boxes: [N, 4], left, top, right, bottom. size: width and height of the network's input. A keypoint that was not
    found has a confidence of 0 or less.
    """
    network = _load_network(weight, placement)
    return np.concatenate([_estimate_batch(network, image, batch, size) for batch in split_batches(boxes)])


def _load_network(weight: Weight, placement: Placement) -> Network:
    if is_onnx(weight):
        return load_onnx_network(weight, placement)
    from ..nets.rtmpose import load_rtmpose

    return load_rtmpose(weight, placement)


def _estimate_batch(network: Network, image: Image, boxes: Array, size: tuple[int, int]) -> Array:
    regions = crop_regions(boxes, size)
    columns, rows = network(crop_images(image, regions, size))[:2]
    return to_image(decode_simcc(columns, rows), regions, size)


def crop_regions(boxes: Array, size: tuple[int, int]) -> Regions:
    """Boxes with a margin, widened to the aspect ratio of the network's input."""
    aspect = size[0] / size[1]
    width, height = ((boxes[:, 2:] - boxes[:, :2]) * MARGIN).T
    sizes = np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], 1)
    return Regions((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), sizes.astype(np.float32))


def crop_images(image: Image, regions: Regions, size: tuple[int, int]) -> Array:
    """Crop regions, black beyond the image: float32 [N, 3, H, W], normalised."""
    return regions.crop(size, SCALE, OFFSET, lambda centre, extent: _crop(image, centre, extent, size))


def _crop(image: Image, centre: Array, extent: Array, size: tuple[int, int]) -> Image:
    k = size[0] / max(float(extent[0]), 1e-6)
    x, y = (size[axis] / 2 - k * float(centre[axis]) for axis in (0, 1))
    return np.asarray(cv2.warpAffine(image, np.array([[k, 0, x], [0, k, y]]), size, flags=cv2.INTER_LINEAR), np.uint8)


def decode_simcc(columns: Array, rows: Array) -> Array:
    """Keypoints [N, K, 3], x, y in the crop and confidence: the highest bins of [N, K, bins] over columns and rows."""
    x, y = columns.argmax(-1) / SIMCC_SPLIT, rows.argmax(-1) / SIMCC_SPLIT
    return np.stack([x, y, np.minimum(columns.max(-1), rows.max(-1))], -1).astype(np.float32)


def to_image(keypoints: Array, regions: Regions, size: tuple[int, int]) -> Array:
    """From pixels of the crops to pixels of the image."""
    return regions.to_image(keypoints[..., :2] / np.array(size, np.float32), keypoints[..., 2:])
