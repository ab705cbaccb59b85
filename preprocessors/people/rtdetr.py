"""Bounding boxes by RT-DETR: preprocessing of the image, decoding of the queries. Needs torch and transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from ..layers.pretrained import load_torch_network
from ..nets.rtdetr import RTDETR_MODEL
from ..weights.rtdetr_files import RTDETR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.networks.placement import Placement

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

PERSON = 0
"""COCO's class of people."""
INPUT_SIDE = 640
"""Side of the network's square input, to which the image is stretched."""


def detect_boxes(image: Image, placement: Placement, classes: Sequence[int], *, min_confidence: float) -> Array:
    """Boxes [N, 4] of these COCO classes, left, top, right, bottom in pixels of the image, by confidence."""
    output = load_torch_network(RTDETR, RTDETR_MODEL, placement)(preprocess(image))
    logits, boxes = output.logits[0].float(), output.pred_boxes[0].float()
    return decode_boxes(logits, boxes, image.shape[:2], classes, min_confidence=min_confidence)


def preprocess(image: Image) -> Tensor:
    """Image stretched to the network's square: float32 [1, 3, 640, 640], 0..1, rounded to 8 bit as in its training."""
    pixels = torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    side = INPUT_SIDE
    small = functional.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return small.round().clamp(0, 255) / 255


def decode_boxes(
    logits: Tensor, boxes: Tensor, size: tuple[int, ...], classes: Sequence[int] = (PERSON,), *, min_confidence: float
) -> Array:
    """Decode queries: logits [Q, 80], boxes [Q, 4] as fractions of size (centre, width and height).

    A query counts once, with its most likely class of these.
    """
    scores = logits[:, list(classes)].amax(1).sigmoid()
    order = scores.argsort(descending=True, stable=True)
    best = order[scores[order] > min_confidence]
    centres, sizes = boxes[best, :2], boxes[best, 2:]
    corners = torch.cat([centres - sizes / 2, centres + sizes / 2], 1).cpu().numpy()
    height, width = size
    return corners * np.array([width, height, width, height], np.float32)
