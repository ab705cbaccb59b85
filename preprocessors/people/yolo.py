"""Preprocessing and decoding of YOLOX and YOLO-NAS: bounding boxes of people and animals. Needs numpy and OpenCV.

YOLOX: Ge et al. 2021, arXiv:2107.08430, https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0); the export is
the one DWPose is published with. YOLO-NAS: https://github.com/Deci-AI/super-gradients, exported with its NMS.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]
    Index = NDArray[np.intp]

INPUT_SIDE = 640
STRIDES = (8, 16, 32)
GREY = 114
IOU_THRESHOLD = 0.45
"""Of two boxes of a class whose intersection over union exceeds this, the one of higher score stays."""
MIN_CONFIDENCE = 0.3
MAX_LOG_SIZE = 9
"""Largest logarithm of a size that is plausible; such boxes are a hundred times as wide as the image."""
NMS_CHUNK = 1000
"""Boxes that are compared with each other at once."""


class Boxes(NamedTuple):
    """corners: float32 [N, 4], left, top, right, bottom in pixels of the image. scores: float32 [N], descending."""

    corners: Array
    scores: Array


class Letterbox(NamedTuple):
    """The detector's input: pixels [1, 3, 640, 640], 0..255; scale: its pixels per pixel of the image, x and y."""

    pixels: Image
    scale: tuple[float, float]


def letterbox(image: Image) -> Letterbox:
    """Fit an image [H, W, 3] into the upper left of a grey square."""
    height, width = image.shape[:2]
    k = INPUT_SIDE / max(height, width)
    new_width, new_height = max(1, round(width * k)), max(1, round(height * k))
    square = np.full((INPUT_SIDE, INPUT_SIDE, 3), GREY, np.uint8)
    square[:new_height, :new_width] = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    pixels = np.ascontiguousarray(square.transpose(2, 0, 1)[None])
    return Letterbox(pixels, (new_width / width, new_height / height))


def decode_yolox(
    output: Array,
    scale: tuple[float, float],
    classes: Sequence[int],
    *,
    min_confidence: float = MIN_CONFIDENCE,
    per_class: bool = False,
) -> Boxes:
    """Decode YOLOX's [8400, 5 + 80]: offsets from cells, logarithms of sizes, objectness, classes.

    Only these classes are looked at, and only boxes above the confidence are decoded. per_class: a box suppresses those
    of its own class only; otherwise an object that looks like two of the classes is found once.
    """
    class_scores = output[:, 4:5] * output[:, [5 + number for number in classes]]
    scores = class_scores if per_class else class_scores.max(1, keepdims=True)
    rows, labels = np.nonzero(scores > min_confidence)
    origins, strides = _cells()
    centres = (output[rows, :2] + origins[rows]) * strides[rows]
    sizes = np.exp(np.minimum(output[rows, 2:4], MAX_LOG_SIZE)) * strides[rows]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1) / np.array([*scale, *scale], np.float32)
    return non_maximum_suppression(Boxes(corners.astype(np.float32), scores[rows, labels]), labels)


@cache
def _cells() -> tuple[Array, Array]:
    """Column and row of every cell [8400, 2], and its stride [8400, 1]."""
    grids, strides = [], []
    for stride in STRIDES:
        count = INPUT_SIDE // stride
        rows, columns = np.divmod(np.arange(count * count), count)
        grids.append(np.stack([columns, rows], 1))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def non_maximum_suppression(boxes: Boxes, labels: Index, iou_threshold: float = IOU_THRESHOLD) -> Boxes:
    """Greedy suppression within each class, by descending score; all pairs of NMS_CHUNK boxes at once.

    A box stays unless one that stays and has a higher score overlaps it. That rule has one solution, which repeating it
    reaches.
    """
    order = np.argsort(-boxes.scores, kind="stable")
    corners, labels = boxes.corners[order], labels[order]
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), NMS_CHUNK):
        chunk = np.arange(start, min(start + NMS_CHUNK, len(order)))
        chunk = chunk[~_overlap(corners, labels, kept, chunk, iou_threshold).any(0)]
        pairs = np.triu(_overlap(corners, labels, chunk, chunk, iou_threshold), 1)
        kept = np.concatenate([kept, chunk[_unsuppressed(pairs)]])
    return Boxes(corners[kept], boxes.scores[order][kept])


def _unsuppressed(overlaps: NDArray[Any]) -> NDArray[np.bool_]:
    """Which boxes stay; overlaps: whether the first has the higher score and overlaps the second."""
    kept = np.ones(len(overlaps), np.bool_)
    while True:
        again = np.logical_not((overlaps & kept[:, None]).any(0))
        if np.array_equal(again, kept):
            return kept
        kept = again


def _overlap(corners: Array, labels: Index, first: Index, second: Index, iou_threshold: float) -> NDArray[np.bool_]:
    """Whether boxes overlap others of their class by more than the threshold, [first, second]."""
    return (_iou(corners[first], corners[second]) > iou_threshold) & (labels[first, None] == labels[second])


def _iou(one: Array, other: Array) -> Array:
    """Intersection over union of all pairs, [N, M]; a box reaches to the far side of its last pixel."""
    (low, high), (other_low, other_high) = ((corners[:, :2], corners[:, 2:] + 1) for corners in (one, other))
    sides = np.minimum(high[:, None], other_high) - np.maximum(low[:, None], other_low)
    intersection = sides.clip(0).prod(-1)
    return intersection / ((high - low).prod(-1)[:, None] + (other_high - other_low).prod(-1) - intersection)


def decode_yolo_nas(
    outputs: Sequence[NDArray[Any]],
    scale: tuple[float, float],
    classes: Sequence[int],
    *,
    min_confidence: float = MIN_CONFIDENCE,
) -> Boxes:
    """Read YOLO-NAS's count [1, 1], corners [1, N, 4], scores [1, N] and classes [1, N]."""
    count, corners, scores, labels = outputs
    most = int(np.asarray(count).reshape(-1)[0])
    scores, labels = np.asarray(scores)[0, :most], np.asarray(labels)[0, :most]
    kept = np.isin(labels, classes) & (scores > min_confidence)
    boxes = np.asarray(corners)[0, :most][kept] / np.array([*scale, *scale], np.float32)
    order = np.argsort(-scores[kept], kind="stable")
    return Boxes(boxes.astype(np.float32)[order], scores[kept].astype(np.float32)[order])
