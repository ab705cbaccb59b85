"""What YOLOX and YOLO-NAS see and say: boxes of people and animals. Imported lazily (needs numpy and OpenCV).

YOLOX: Ge et al. 2021, arXiv:2107.08430, https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0); the export is
the one DWPose is published with. YOLO-NAS: https://github.com/Deci-AI/super-gradients, exported with its suppression.
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

SIDE = 640
STRIDES = (8, 16, 32)
GREY = 114
OVERLAP = 0.45
"""Of two boxes of a class that share more than this, the surer one stays."""
SURE = 0.3
WIDEST = 9
"""Largest logarithm of a size that is believed; boxes of that are a hundred times as wide as the picture."""
TOGETHER = 1000
"""Boxes that are compared with each other at once."""


class Boxes(NamedTuple):
    """corners: float32 [N, 4], left, top, right, bottom in pixels of the picture. scores: float32 [N], surest first."""

    corners: Array
    scores: Array


class Seen(NamedTuple):
    """The picture as the detector sees it: [1, 3, SIDE, SIDE], 0..255; scale: its pixels per pixel, across and down."""

    pixels: Image
    scale: tuple[float, float]


def letterbox(image: Image) -> Seen:
    """Fit a picture [H, W, 3] into the upper left of a grey square."""
    height, width = image.shape[:2]
    k = SIDE / max(height, width)
    wide, high = max(1, round(width * k)), max(1, round(height * k))
    square = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    square[:high, :wide] = cv2.resize(image, (wide, high), interpolation=cv2.INTER_LINEAR)
    return Seen(np.ascontiguousarray(square.transpose(2, 0, 1)[None]), (wide / width, high / height))


def yolox_boxes(
    output: Array, scale: tuple[float, float], classes: Sequence[int], *, sure: float = SURE, apart: bool = False
) -> Boxes:
    """Decode YOLOX's [8400, 5 + 80]: offsets from cells, logarithms of sizes, objectness, classes.

    Only the wanted classes are looked at, and only boxes that are sure enough are decoded. apart: a box suppresses
    those of its own class only; otherwise what looks like two of the classes is found once.
    """
    every = output[:, 4:5] * output[:, [5 + number for number in classes]]
    scores = every if apart else every.max(1, keepdims=True)
    rows, kinds = np.nonzero(scores > sure)
    origins, strides = _cells()
    centres = (output[rows, :2] + origins[rows]) * strides[rows]
    sizes = np.exp(np.minimum(output[rows, 2:4], WIDEST)) * strides[rows]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1) / np.array([*scale, *scale], np.float32)
    return suppressed(Boxes(corners.astype(np.float32), scores[rows, kinds]), kinds)


@cache
def _cells() -> tuple[Array, Array]:
    """Column and row of every cell [8400, 2], and its stride [8400, 1]."""
    grids, strides = [], []
    for stride in STRIDES:
        count = SIDE // stride
        rows, columns = np.divmod(np.arange(count * count), count)
        grids.append(np.stack([columns, rows], 1))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def suppressed(boxes: Boxes, kinds: NDArray[np.intp], overlap: float = OVERLAP) -> Boxes:
    """Greedy suppression within each kind, surest first; all pairs of TOGETHER boxes at once.

    A box stays unless one that stays and is surer covers it. That rule has one solution, which repeating it reaches.
    """
    order = np.argsort(-boxes.scores, kind="stable")
    corners, kinds = boxes.corners[order], kinds[order]
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), TOGETHER):
        some = np.arange(start, min(start + TOGETHER, len(order)))
        some = some[~_covers(corners, kinds, kept, some, overlap).any(0)]
        kept = np.concatenate([kept, some[_uncovered(np.triu(_covers(corners, kinds, some, some, overlap), 1))]])
    return Boxes(corners[kept], boxes.scores[order][kept])


def _uncovered(covers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which boxes stay; covers: whether the first is surer and covers the second."""
    kept = np.ones(len(covers), np.bool_)
    while True:
        again = np.logical_not((covers & kept[:, None]).any(0))
        if np.array_equal(again, kept):
            return kept
        kept = again


def _covers(
    corners: Array, kinds: NDArray[np.intp], first: NDArray[np.intp], second: NDArray[np.intp], overlap: float
) -> NDArray[np.bool_]:
    """Whether boxes share more than this with others of their kind, [first, second]."""
    return (_shared(corners[first], corners[second]) > overlap) & (kinds[first, None] == kinds[second])


def _shared(one: Array, other: Array) -> Array:
    """Intersection over union of all pairs, [N, M]; a box reaches to the far side of its last pixel."""
    (least, most), (low, high) = ((corners[:, :2], corners[:, 2:] + 1) for corners in (one, other))
    sides = np.minimum(most[:, None], high) - np.maximum(least[:, None], low)
    common = sides.clip(0).prod(-1)
    return common / ((most - least).prod(-1)[:, None] + (high - low).prod(-1) - common)


def nas_boxes(
    outputs: Sequence[NDArray[Any]], scale: tuple[float, float], classes: Sequence[int], *, sure: float = SURE
) -> Boxes:
    """Read YOLO-NAS's count [1, 1], corners [1, N, 4], scores [1, N] and classes [1, N]."""
    count, corners, scores, kinds = outputs
    most = int(np.asarray(count).reshape(-1)[0])
    scores, kinds = np.asarray(scores)[0, :most], np.asarray(kinds)[0, :most]
    kept = np.isin(kinds, classes) & (scores > sure)
    places = np.asarray(corners)[0, :most][kept] / np.array([*scale, *scale], np.float32)
    order = np.argsort(-scores[kept], kind="stable")
    return Boxes(places.astype(np.float32)[order], scores[kept].astype(np.float32)[order])
