"""Segments of tiles as those of the whole picture: moved to their places, and joined where tiles cut them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..images.geometry import Size
    from .plan import Box
    from .ways import Lines

APART = 2.5
"""How far beside each other, in pixels, two answers for one line may lie."""
GAP = 6.0
"""How far one may end before the other begins."""
TURN = 0.06
"""Sine of the largest angle between them."""


def join_lines(tiles: Iterable[tuple[Box, Lines]], size: Size, overlap: int) -> Lines:
    """Segments [n, 4] on a map of `size`; of what two tiles have, and of what a border cuts, one long segment is made.

    tiles: where each lies, and its segments.
    """
    known = np.zeros((0, 4))
    for box, lines in tiles:
        added: list[Lines] = []
        own = _drop_strays(np.asarray(lines, np.float64).reshape(-1, 4), box, size, overlap)
        for line in own + np.array([box.left, box.top, box.left, box.top]):
            grown, known = _absorb(line, known)
            added.append(grown)
        known = np.vstack([known, *added])
    return known


def _drop_strays(lines: Lines, box: Box, size: Size, overlap: int) -> Lines:
    """Without what lies at a side where another tile goes on: that tile sees it better, or sees that nothing is there.

    At a side lie segments within half the overlap of it, and of short ones those whose middle does.
    """
    ends = lines.reshape(-1, 2, 2)
    depths = [
        *([ends[..., 0]] if box.left else []),
        *([ends[..., 1]] if box.top else []),
        *([box.size.width - ends[..., 0]] if box.left + box.size.width < size.width else []),
        *([box.size.height - ends[..., 1]] if box.top + box.size.height < size.height else []),
    ]
    short = np.hypot(*(ends[:, 1] - ends[:, 0]).T) <= overlap
    stray = np.zeros(len(lines), bool)
    for depth in depths:
        stray |= np.where(short, depth.mean(1), depth.max(1)) < overlap / 2
    return lines[~stray]


def _absorb(line: Lines, known: Lines) -> tuple[Lines, Lines]:
    """A segment grown by all of `known` that continue it, and what is left of those."""
    while len(known):
        same = _continues(line, known)
        if not same.any():
            break
        line = _span(np.vstack([line, known[same]]))
        known = known[~same]
    return line, known


def _continues(line: Lines, known: Lines) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    start, way, length = line[:2], line[2:] - line[:2], np.hypot(*(line[2:] - line[:2]))
    if length == 0:
        return np.zeros(len(known), bool)
    way = way / length
    ends = known.reshape(-1, 2, 2) - start
    along, beside = ends @ way, np.abs(ends @ np.array([-way[1], way[0]]))
    other = known[:, 2:] - known[:, :2]
    turn = np.abs(other @ np.array([-way[1], way[0]])) / np.maximum(np.hypot(other[:, 0], other[:, 1]), 1e-9)
    meets = (along.min(1) <= length + GAP) & (along.max(1) >= -GAP)
    return meets & (beside.max(1) <= APART) & (turn <= TURN)


def _span(lines: Lines) -> Lines:
    """The longest segment between ends of these."""
    ends = lines.reshape(-1, 2)
    distances = ((ends[:, None] - ends[None]) ** 2).sum(-1)
    first, last = np.unravel_index(int(distances.argmax()), distances.shape)
    return np.concatenate([ends[first], ends[last]])
