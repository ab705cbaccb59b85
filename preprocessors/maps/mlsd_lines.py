"""From M-LSD's output to line segments and from these to a map. Needs numpy, OpenCV and torch.

Recipe: pred_lines of lhwcv/mlsd_pytorch (Apache-2.0), as ControlNet's annotators use it. There neighbours are compared
as probabilities, here as logits: two that both round to 1 are one line and not two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.images.geometry import Size
    from ...core.images.types import Images

    Segments = NDArray[np.float64]
    """float64 [n, 4] of (x1, y1, x2, y2) in pixels of the network's input, by confidence."""

MAX_LINES = 200
"""Lines of one picture at most, the most confident."""

SCALE = 2
"""Pixels of the picture to one of the network's output."""

MAX_LENGTH = 2**20
"""Whatever is longer is no line of a picture, and more than OpenCV can be told to draw."""

SLACK = 1e-3
"""How far below the threshold a logit is still looked at, as logit and probability are rounded differently."""


def decode_segments(outputs: Tensor, score: float, distance: float) -> list[Segments]:
    """Segments of each of [B, 5 or more, h, w]: centre logit, then (x, y) from the centre to both ends.

    score: what a centre's probability must exceed. distance: what a segment's length must exceed, in pixels of the
    output, half as large as the picture's.
    """
    return [_decode_one(output.float(), score, distance) for output in outputs]


def _decode_one(output: Tensor, score: float, distance: float) -> Segments:
    """Only centres that can count leave the map, and only they leave the device."""
    centres = output[0].contiguous()
    flat = centres.flatten()
    places = _find_peaks(centres, score).flatten().nonzero()[:, 0]
    logits, order = flat[places].topk(min(MAX_LINES, len(places)))
    places = places[order]
    ends = output[1:5].flatten(1)[:, places]
    lengths = (ends[:2] - ends[2:]).square().sum(dim=0).sqrt()
    found = torch.cat((torch.sigmoid(logits)[None], lengths[None], ends)).cpu().numpy()
    kept = (found[0] > np.float32(score)) & (found[1] > np.float32(distance)) & (found[1] < MAX_LENGTH)
    down, across = np.divmod(places.cpu().numpy()[kept], centres.shape[1])
    return SCALE * (np.stack((across, down, across, down), axis=1) + found[2:, kept].T.astype(np.float64))


def _find_peaks(centres: Tensor, score: float) -> Tensor:
    """Where [h, w] no neighbour exceeds a pixel, and its probability may exceed the score."""
    highest = F.max_pool2d(centres[None, None], 3, stride=1, padding=1)[0, 0]
    floor = math.log(score / (1 - score)) - SLACK if 0 < score < 1 else (-math.inf if score <= 0 else math.inf)
    return (centres == highest) & (centres >= floor)


def draw_segments(lines: Segments, size: Size) -> NDArray[np.uint8]:
    """White segments one pixel wide on black, uint8 [H, W]; ends are cut off to whole pixels."""
    canvas = np.zeros(size, np.uint8)
    for x1, y1, x2, y2 in lines.astype(np.int64).tolist():
        cv2.line(canvas, (x1, y1), (x2, y2), 255, 1)
    return canvas


def render_segments(pictures: Sequence[Segments], size: Size) -> Images:
    """Maps uint8 [B, H, W, 3] of each picture's segments."""
    from .edges import to_rgb

    return to_rgb(np.stack([draw_segments(lines, size) for lines in pictures]))
