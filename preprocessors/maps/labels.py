"""From class scores to the map: the best class of every pixel of the map, and its colour.

Bilinear interpolation mixes four neighbouring scores, with weights that are not negative and sum to one. Where one
class is best in all four it is best in the mixture. So only the other pixels, near borders, are interpolated at all,
and never all classes of the whole map at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.images.geometry import Size
    from ...core.images.types import Images
    from ...core.segments import Classes

    Labels = NDArray[np.uint8]
    """uint8 [B, H, W], index of a class."""

CHUNK = 2**21
"""Scores that are interpolated at once."""


class Interpolation(NamedTuple):
    """Where the pixels of one axis lie: between which two scores, and how far from the first to the second."""

    low: Tensor
    high: Tensor
    part: Tensor


def find_best_classes(scores: Tensor, size: Size) -> Tensor:
    """Index of the largest of scores [B, C, h, w] after bilinear resizing to size: uint8 [B, *size], on its device.

    At most 256 classes. Equal to ``interpolate(mode="bilinear", align_corners=False).argmax(1)``, but for rounding
    where two classes are equally good.
    """
    rows, columns = (
        compute_interpolation(size.height, scores.shape[2], scores),
        compute_interpolation(size.width, scores.shape[3], scores),
    )
    return torch.stack([_find_best(one, rows, columns) for one in scores])


def compute_interpolation(pixels: int, count: int, like: Tensor) -> Interpolation:
    """Positions of so many pixels on an axis with count scores; both cover the same length."""
    places = torch.arange(pixels, device=like.device, dtype=torch.float32)
    places = ((places + 0.5) * (count / pixels) - 0.5).clamp(0, count - 1)
    low = places.floor().long()
    return Interpolation(low, (low + 1).clamp(max=count - 1), (places - low).to(like.dtype))


def _find_best(scores: Tensor, rows: Interpolation, columns: Interpolation) -> Tensor:
    """Index of the largest of scores [C, h, w] at every crossing of rows and columns."""
    best = scores.argmax(0).to(torch.uint8)
    first = best[rows.low][:, columns.low]
    agree = first == best[rows.low][:, columns.high]
    agree &= first == best[rows.high][:, columns.low]
    agree &= first == best[rows.high][:, columns.high]
    unsure, found = (~agree).flatten().nonzero()[:, 0], first.flatten()
    table = scores.flatten(1).t().contiguous()
    step, width = scores.shape[2], len(columns.low)
    for some in unsure.split(max(1, CHUNK // len(scores))):
        y, x = some // width, some % width
        above = _interpolate_rows(table, rows.low[y] * step, columns, x)
        below = _interpolate_rows(table, rows.high[y] * step, columns, x)
        found[some] = torch.lerp(above, below, rows.part[y][:, None]).argmax(1).to(torch.uint8)
    return found.view(-1, width)


def _interpolate_rows(table: Tensor, start: Tensor, columns: Interpolation, x: Tensor) -> Tensor:
    """Interpolate rows of scores, which start at these places of table [h * w, C], at pixels x [N]: [N, C]."""
    left, right = table.index_select(0, start + columns.low[x]), table.index_select(0, start + columns.high[x])
    return torch.lerp(left, right, columns.part[x][:, None])


def colour_labels(labels: Labels, classes: Classes) -> Images:
    """Flat colours uint8 [B, H, W, 3] RGB of labels; no outlines, no colour that is not in the palette."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(classes.names), 0] = np.frombuffer(classes.palette, np.uint8).reshape(-1, 3)
    images = np.empty((*labels.shape, 3), np.uint8)
    for index in range(len(labels)):
        image: NDArray[np.uint8] = images[index]
        cv2.applyColorMap(np.ascontiguousarray(labels[index]), table, image)
    return images
