"""The way of OpenPose's maps from cells to pixels, along one side. Needs torch, numpy and OpenCV.

The official method enlarges every map eight times (Lanczos), cuts the padding off, brings it to the picture's size
(Lanczos, or areas where that shrinks it) and blurs the heat maps. All of it is linear and acts on rows and columns
separately, so one small matrix per side holds it, and single pixels can be had without making the whole map. The
weights are OpenCV's own: they are read off resized unit vectors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch

from ....core.images.geometry import Size, find_padded_size
from .network import STRIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

INPUT_HEIGHT = 184
"""Height of the picture the body network sees: half of the 368 pixels it was trained with."""
MAX_WIDTH = 8 * INPUT_HEIGHT
"""Widest picture it sees; pictures more than 8 times wider than high are shrunk further (the official code is not)."""
SIGMA, RADIUS = 3.0, 12
"""Blur of the heat maps, in pixels of the picture, cut off at four sigmas."""


class InputPlan(NamedTuple):
    """Sizes of a picture, of its content in the body network's input, and of that input, padded to cells."""

    picture: Size
    content: Size

    @property
    def padded(self) -> Size:
        """Size of the network's input."""
        return find_padded_size(self.content, STRIDE)

    @property
    def shrinks(self) -> bool:
        """Whether maps at the network's size are larger than the picture."""
        return sum(self.picture) < sum(self.content)


def plan_input(picture: Size) -> InputPlan:
    """Plan for one picture. Sides are cut to whole pixels as the official code does it, but are at least 1."""
    scale = min(0.5 * 368 / picture.height, MAX_WIDTH / picture.width)
    return InputPlan(picture, Size(max(1, int(picture.height * scale)), max(1, int(picture.width * scale))))


def multiply_matrices(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Matrix product by torch, whose threads are bounded; numpy's library wakes all CPU cores for these small ones,
    where waiting for each other costs many times the work.
    """
    return (torch.from_numpy(one) @ torch.from_numpy(other)).numpy()


class ResamplingAxis(NamedTuple):
    """One side of a picture. plain, smooth: weights [pixels, cells] of a pixel's value, and after the blur.

    first, taps: the weights of plain that are not 0, [pixels, n] from cell first[pixel] on. gain: by how much smooth
    can exceed the largest cell at most.
    """

    plain: F64
    smooth: F64
    first: NDArray[np.intp]
    taps: F64
    gain: float


def build_axes(plan: InputPlan) -> tuple[ResamplingAxis, ResamplingAxis]:
    """Vertical and horizontal side of a picture."""
    padded, shrinks = plan.padded, plan.shrinks
    rows = _build_axis(padded.height // STRIDE, plan.content.height, plan.picture.height, shrinks)
    return rows, _build_axis(padded.width // STRIDE, plan.content.width, plan.picture.width, shrinks)


@lru_cache(maxsize=16)
def _build_axis(cells: int, content: int, pixels: int, shrinks: bool) -> ResamplingAxis:
    enlarged = resize_weights(cells, cells * STRIDE)[:content]
    plain = resize_weights(content, pixels, cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4) @ enlarged
    smooth = blur_rows(plain)
    first, taps = _nonzero_columns(plain)
    return ResamplingAxis(plain, smooth, first, taps, float(np.abs(smooth).sum(1).max()))


def resize_weights(source: int, target: int, method: int = cv2.INTER_LANCZOS4) -> F64:
    """Weights [target, source] with which OpenCV resizes."""
    units = np.eye(source, dtype=np.float32)
    return np.asarray(cv2.resize(units, (target, source), interpolation=method), np.float64).T


def gaussian_kernel() -> F64:
    """Gaussian over 25 pixels."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    bell = np.exp(-0.5 / (SIGMA * SIGMA) * offsets**2)
    return bell / bell.sum()


def blur_rows(rows: F64) -> F64:
    """Gaussian blur of [n, ...] along the first axis; the borders are mirrored, border pixels repeated."""
    return blur_padded(rows[mirror_index(np.arange(-RADIUS, len(rows) + RADIUS), len(rows))])


def blur_padded(padded: F64) -> F64:
    """Gaussian blur of [n + 24, ...] along the first axis to [n, ...], summed in the order of scipy's gaussian_filter,
    which the official code calls.
    """
    bell, count = gaussian_kernel(), len(padded) - 2 * RADIUS
    total: F64 = bell[RADIUS] * padded[RADIUS : RADIUS + count]
    for low in range(RADIUS):
        high = 2 * RADIUS - low
        total = total + (padded[low : low + count] + padded[high : high + count]) * bell[low]
    return total


def mirror_index(index: NDArray[Any], length: int) -> NDArray[Any]:
    """Index within 0 .. length - 1 that a mirrored border shows at any index (d c b a | a b c d | d c b a)."""
    folded = index % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


def _nonzero_columns(weights: F64) -> tuple[NDArray[np.intp], F64]:
    """Columns in which each row of weights is not 0, as many for every row."""
    present = weights != 0
    first = present.argmax(1)
    last = weights.shape[1] - 1 - present[:, ::-1].argmax(1)
    width = int((last - first).max()) + 1
    first = np.minimum(first, weights.shape[1] - width)
    return first, np.take_along_axis(weights, first[:, None] + np.arange(width), 1)
