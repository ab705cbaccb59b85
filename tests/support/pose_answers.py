"""What the stand-ins of the networks behind DWPose and animal poses answer, for ONNX Runtime and for torch alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

CELLS = 8400
Rows = dict[int, tuple[float, ...]]


def boxes(rows: Rows | None = None) -> tuple[Array, Array]:
    """What YOLOX sees [1, CELLS, 85], and how much more of it per level of the picture's mean.

    rows: cell → x, y, log w, log h, objectness, then (class, score) pairs. Where none are given: two people and a dog,
    surer in brighter pictures.
    """
    fixed = np.zeros((1, CELLS, 85), np.float32)
    fixed[..., 4:] = 0.001
    live = np.zeros((1, CELLS, 85), np.float32)
    if rows is None:
        rows = {8250: (0.2, 0.1, 2.0, 2.2, 0.8, 0, 0.9, 16, 0.5), 5000: (0.5, 0.5, 1.5, 2.5, 0.8, 0, 0.7, 17, 0.8)}
        live[0, list(rows), 4] = 0.2 / 255
    for row, (x, y, w, h, sure, *pairs) in rows.items():
        fixed[0, row, :5] = x, y, w, h, sure
        for kind, score in zip(pairs[::2], pairs[1::2], strict=True):
            fixed[0, row, 5 + int(kind)] = score
    return fixed, live


def curves(size: tuple[int, int], count: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """For x and y: what mixes a crop's three means into curves [3, count * bins], and what is added [count, bins].

    size: width and height of the crop.
    """
    random = np.random.RandomState(count)
    across, down = (_curve(random, count, side * 2) for side in size)
    return across, down


def _curve(random: np.random.RandomState, count: int, bins: int) -> tuple[Array, Array]:
    mixed = (random.random_sample((3, count * bins)) * 0.4 - 0.2).astype(np.float32)
    return mixed, (random.random_sample((count, bins)) ** 40).astype(np.float32)
