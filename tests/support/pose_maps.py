"""Maps as OpenPose's networks make them, of people who do not exist: for decoders, golden data and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

FIGURE = np.array(
    [(0.50, 0.12), (0.50, 0.25), (0.34, 0.26), (0.26, 0.41), (0.22, 0.55), (0.66, 0.26), (0.74, 0.41), (0.78, 0.55),
     (0.41, 0.54), (0.39, 0.74), (0.38, 0.94), (0.59, 0.54), (0.61, 0.74), (0.62, 0.94), (0.45, 0.08), (0.55, 0.08),
     (0.38, 0.11), (0.62, 0.11)]
)  # fmt: skip
"""x and y of the 18 joints of somebody who fills a box of 1 x 1."""

LIMBS = (
    (1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24), (1, 8, 0), (8, 9, 2), (9, 10, 4),
    (1, 11, 6), (11, 12, 8), (12, 13, 10), (1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36),
    (2, 16, 18), (5, 17, 26),
)  # fmt: skip
"""Two joints and their field of x."""

GRIDS = {0: (1, 1), 1: (1, 1), 4: (2, 2), 20: (2, 10)}
"""Rows and columns in which so many people stand."""
CELLS = {0: (23, 23), 1: (23, 23), 4: (23, 23), 20: (23, 92)}
"""Size of their maps: 20 people need a picture four times as wide as high."""


def crowd(count: int, seed: int = 0) -> F64:
    """Joints [count, 18, 2] of people in a grid, in cells, each a little out of shape."""
    random = np.random.RandomState(seed)
    (rows, columns), (height, width) = GRIDS[count], CELLS[count]
    box = np.array([width / columns, height / rows])
    people: list[F64] = []
    for at in range(count):
        corner = np.array([at % columns, at // columns]) * box
        bend = (random.random_sample(FIGURE.shape) - 0.5) * 0.06
        people.append(corner + (FIGURE + bend) * box * 0.92 + 0.04 * box - 0.5)
    return np.array(people).reshape(count, 18, 2)


def body_maps(people: F64, cells: tuple[int, int], seed: int = 0, noise: float = 0.003) -> F32:
    """The 57 maps [57, *cells] of people whose joints lie at [n, 18, 2] cells; NaN is a joint that is not seen."""
    random = np.random.RandomState(seed + 1)
    y, x = np.mgrid[: cells[0], : cells[1]].astype(np.float64)
    heat, fields = np.zeros((19, *cells)), np.zeros((38, *cells))
    for person in people:
        strength = 0.75 + 0.25 * random.random_sample(18)
        for joint, (px, py) in enumerate(person):
            if np.isfinite(px):
                heat[joint] = np.maximum(heat[joint], strength[joint] * _bell(x - px, y - py))
        for start, end, at in LIMBS:
            _tube(fields[at : at + 2], person[start], person[end], x, y)
    heat[18] = 1 - heat[:18].max(0)
    maps = np.concatenate([heat, fields]) + noise * random.standard_normal((57, *cells))
    maps[:19] = np.maximum(maps[:19], 0)
    return maps.astype(np.float32)


def tied_maps() -> F32:
    """Maps [57, 23, 23] of somebody in the very middle, seen from the side: two columns of pixels are equally hot."""
    person = np.stack([np.full(18, 11.0), 1 + 20 * FIGURE[:, 1] + 0.31 * np.arange(18) % 1], axis=1)
    return body_maps(person[None], (23, 23), noise=0)


def _bell(x: F64, y: F64) -> F64:
    return np.exp(-(x * x + y * y) / (2 * 0.95**2))


def _tube(field: F64, start: F64, end: F64, x: F64, y: F64) -> None:
    """Unit vectors, fading, within about a cell of a limb."""
    span = end - start
    length = float(np.hypot(*span))
    if not length > 0:
        return
    ux, uy = span / length
    along, aside = (x - start[0]) * ux + (y - start[1]) * uy, (y - start[1]) * ux - (x - start[0]) * uy
    beyond = np.maximum(np.maximum(-along, along - length), 0)
    weight = 0.95 * np.exp(-(aside**2 + beyond**2) / (2 * 0.9**2))
    stronger = weight > np.hypot(field[0], field[1])
    field[0][stronger], field[1][stronger] = weight[stronger] * ux, weight[stronger] * uy


def part_maps(maps: int, cells: int, seed: int = 0, lost: tuple[int, ...] = ()) -> F32:
    """Maps [maps, cells, cells] of a hand (22) or face (71) that fills its box; the last one is the background.

    The same joints whatever the cells. lost: joints that are not seen.
    """
    random = np.random.RandomState(seed + 7)
    y, x = (np.mgrid[:cells, :cells] + 0.5) / cells
    places, strength = 0.08 + 0.84 * random.random_sample((maps, 2)), 0.4 + 0.6 * random.random_sample(maps)
    rival = random.random_sample((maps, 2))
    heat = np.zeros((maps, cells, cells))
    for joint in range(maps - 1):
        if joint not in lost:
            (px, py), (qx, qy) = places[joint], rival[joint]
            heat[joint] = strength[joint] * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 0.035**2))
            heat[joint] += 0.25 * np.exp(-((x - qx) ** 2 + (y - qy) ** 2) / (2 * 0.03**2))
    heat[-1] = 1 - heat[:-1].max(0)
    return (heat + 0.002 * random.standard_normal(heat.shape)).astype(np.float32)
