"""Outputs of M-LSD that no network made: so many lines, well apart from each other, and much noise below them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNTS = (0, 1, 200, 300)
"""Lines of each map; of 300 only the 200 surest may be returned, and every seventh of them is too short."""

HEIGHT, WIDTH = 96, 128


def output(count: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.float32]:
    """Float32 [9, height, width]: centre logit, four displacements, four channels that mean nothing here.

    Scores fall from 0.98 to 0.12, so that each differs from all others.
    """
    random = np.random.RandomState(count)
    values = random.uniform(-1, 1, (9, height, width)).astype(np.float32)
    values[0] = random.uniform(-9, -4, (height, width))
    cells = random.permutation((height // 4) * (width // 4))[:count]
    scores = np.linspace(0.98, 0.12, max(count, 1))
    for index, cell in enumerate(cells):
        y, x = 4 * (cell // (width // 4)) + random.randint(3), 4 * (cell % (width // 4)) + random.randint(3)
        angle, half = random.uniform(0, np.pi), 0.9 if count > 200 and index % 7 == 3 else random.uniform(3, 40)
        across, down = half * np.cos(angle), half * np.sin(angle)
        values[0, y, x] = np.log(scores[index] / (1 - scores[index]))
        values[1:5, y, x] = (-across, -down, across, down)
    return values
