"""Reading of single-shot detectors: anchors, boxes with key points, weighted suppression. Pure numpy.

Source of the scheme: Bazarevsky et al., BlazeFace (2019), and the options in MediaPipe's detection graphs (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class Detections(NamedTuple):
    """N finds. scores: [N], 0 .. 1. points: [N, 2 + K, 2], upper left and lower right corner, then key points."""

    scores: Array
    points: Array

    @classmethod
    def joined(cls, parts: Sequence[Detections]) -> Detections:
        """All finds one after the other; parts must not be empty."""
        return cls(np.concatenate([p.scores for p in parts]), np.concatenate([p.points for p in parts]))


def sigmoid(logits: Array) -> Array:
    """Logistic function, 0 .. 1."""
    return (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)


def build_anchors(size: int, strides: Sequence[int], per_layer: int = 2) -> Array:
    """Anchor centres [N, 2], 0 .. 1, row by row; neighbouring layers of one stride share a grid."""
    grids: list[NDArray[np.floating[Any]]] = []
    for stride in dict.fromkeys(strides):
        cells = -(-size // stride)
        row = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(row, row), -1).reshape(-1, 2)
        grids.append(np.repeat(grid, per_layer * list(strides).count(stride), axis=0))
    return np.concatenate(grids).astype(np.float32)


def decode_detections(boxes: Array, scores: Array, centres: Array, size: int, threshold: float) -> Detections:
    """Read one picture's raw output: boxes [N, 4 + 2 K] (centre, width, height, points, in pixels from the anchor) and
    logits [N, 1]; places come back as 0 .. 1 of the network's input.
    """
    certain = sigmoid(scores.reshape(-1))
    kept = certain >= threshold
    raw = boxes[kept].reshape(int(kept.sum()), boxes.shape[1] // 2, 2) / size
    middle, extent, points = raw[:, :1], raw[:, 1:2], raw[:, 2:]
    places = np.concatenate([middle - extent / 2, middle + extent / 2, points], axis=1) + centres[kept][:, None]
    return Detections(certain[kept].astype(np.float32), places.astype(np.float32))


def compute_iou(one: Array, many: Array) -> Array:
    """Intersection over union of a box [2, 2] with boxes [N, 2, 2]."""
    low, high = np.maximum(one[0], many[:, 0]), np.minimum(one[1], many[:, 1])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = np.clip(many[:, 1] - many[:, 0], 0, None).prod(-1) + np.clip(one[1] - one[0], 0, None).prod()
    return np.divide(shared, areas - shared, out=np.zeros_like(shared), where=areas > shared)


def suppress_overlaps(found: Detections, threshold: float) -> Detections:
    """Merge finds whose boxes overlap more than threshold into their score-weighted mean, by score."""
    order = np.argsort(-found.scores, kind="stable")
    scores, points = found.scores[order], found.points[order]
    kept: list[tuple[float, Array]] = []
    while len(scores):
        same = compute_iou(points[0, :2], points[:, :2]) > threshold
        same[0] = True
        weights = scores[same]
        mean = np.tensordot(weights, points[same], 1) / weights.sum()
        kept.append((float(scores[0]), mean.astype(np.float32)))
        scores, points = scores[~same], points[~same]
    if not kept:
        return Detections(scores, points)
    return Detections(np.array([s for s, _ in kept], np.float32), np.stack([p for _, p in kept]))
