"""Rendered boxes whose edges are known: ground truth for detectors of straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Lines = NDArray[np.float64]

FACES = ((0, 1, 2, 3), (1, 5, 6, 2), (0, 4, 5, 1))
"""Corners of the three faces that are seen: front, side, top."""
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (1, 5), (5, 6), (6, 2), (0, 4), (4, 5))
"""Corners between which an edge is seen."""
FINE = 4
"""Pixels of the drawing to one of the picture, each way."""
NEAR = 8.0
"""Pixels within which both ends of a line lie if it is that edge."""


class Scene(NamedTuple):
    """picture: uint8 [side, side, 3]. lines: [n, 4] of (x1, y1, x2, y2), whole numbers are the centres of pixels."""

    picture: NDArray[np.uint8]
    lines: Lines


class Score(NamedTuple):
    """recall: share of the edges that were found. error: mean distance of their ends. shift: mean of x and of y."""

    recall: float
    error: float
    shift: tuple[float, float]


def render_boxes(seed: int, side: int = 512, count: int = 2) -> Scene:
    """count x count boxes, turned by up to 20 degrees, in greys with a little noise and blur."""
    random = np.random.RandomState(seed)
    canvas = np.full((side * FINE, side * FINE), int(random.randint(30, 90)), np.uint8)
    cell, lines = side / count, []
    for row in range(count):
        for column in range(count):
            centre = (np.array([column, row]) + 0.5 + random.uniform(-0.05, 0.05, 2)) * cell
            corners = _make_corners(random, centre, cell)
            for face, shade in zip(FACES, random.permutation((120, 165, 210)), strict=True):
                points = np.rint(((corners[list(face)] + 0.5) * FINE - 0.5) * 16).astype(np.int32)
                cv2.fillConvexPoly(canvas, points, int(shade), lineType=cv2.LINE_8, shift=4)
            lines += [[*corners[a], *corners[b]] for a, b in EDGES]
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    noisy = cv2.GaussianBlur(small, (3, 3), 0.6) + random.normal(0, 2, small.shape)
    picture = np.repeat(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    return Scene(picture, np.array(lines))


def _make_corners(random: np.random.RandomState, centre: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    width, height, depth = (float(random.uniform(*span)) for span in ((0.3, 0.42), (0.3, 0.42), (0.15, 0.22)))
    front = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    back = front + depth * np.array([0.8, -0.6])
    corners = np.concatenate((front, back)) - (width / 2 + 0.4 * depth, height / 2 - 0.3 * depth)
    turn = np.deg2rad(random.uniform(-20, 20))
    matrix = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    return corners * cell @ matrix.T + centre


def score_lines(found: Lines, wanted: Lines) -> Score:
    """Compare segments with the edges: each edge with the segment whose ends are nearest."""
    errors: list[float] = []
    shifts: list[NDArray[np.float64]] = []
    for edge in wanted:
        both = np.stack([found.reshape(-1, 2, 2), found.reshape(-1, 2, 2)[:, ::-1]], axis=1)
        apart = both - edge.reshape(2, 2)
        far = np.linalg.norm(apart, axis=-1).max(axis=-1) if len(found) else np.full((1, 1), np.inf)
        best = np.unravel_index(int(far.argmin()), far.shape)
        if far[best] <= NEAR:
            errors.append(float(np.linalg.norm(apart[best], axis=-1).mean()))
            shifts.append(apart[best].mean(axis=0))
    if not errors:
        return Score(0.0, float("inf"), (0.0, 0.0))
    x, y = np.mean(shifts, axis=0).tolist()
    return Score(len(errors) / len(wanted), float(np.mean(errors)), (x, y))
