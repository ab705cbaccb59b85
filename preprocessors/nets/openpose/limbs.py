"""Limbs from the part affinity fields, and people from limbs. Needs torch and numpy.

The rules are OpenPose's (Cao et al. 2017, section 2.4) as its Python port scores and greedily joins them; all pairs of
joints and all their samples are scored at once, and the fields are worked out only where a sample lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .resampling import multiply_matrices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .peaks import Peaks
    from .resampling import ResamplingAxis

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]
    Index = NDArray[np.intp]

LIMBS = (
    *((1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24), (1, 8, 0), (8, 9, 2), (9, 10, 4)),
    *((1, 11, 6), (11, 12, 8), (12, 13, 10), (1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36)),
    *((2, 16, 18), (5, 17, 26)),
)
"""Two joints and the field of x (y follows), in the order in which people are put together."""
FOUNDING = 17
"""Limbs that may begin a person; the last two, shoulder to ear, only join."""
SAMPLES, MIN_AGREEING = 10, 9
"""Points along a limb, and how many of them must agree with its direction: more than 80 %."""
AGREEMENT = 0.05
PROBES = (2, 4, 7)
"""Samples that are looked at first: two of them off settle that too few agree."""
MAX_PAIRS = 1 << 16
"""Pairs that are scored together."""


class Limb(NamedTuple):
    """Numbers of the two peaks and the score."""

    start: int
    end: int
    score: float


def find_limbs(fields: F32, peaks: Sequence[Peaks], sides: tuple[ResamplingAxis, ResamplingAxis]) -> list[list[Limb]]:
    """Accepted limbs of each kind, by score, in fields [38, cells, cells]."""
    return [_find_kind(fields[at : at + 2], peaks[start], peaks[end], sides) for start, end, at in LIMBS]


def _find_kind(field: F32, starts: Peaks, ends: Peaks, sides: tuple[ResamplingAxis, ResamplingAxis]) -> list[Limb]:
    if not (starts.x.size and ends.x.size):
        return []
    pairs = Pairs(starts, ends, _Field(field, sides))
    first, second = (index.ravel() for index in np.indices((starts.x.size, ends.x.size)))
    kept = [
        pairs.accepted(first[at : at + MAX_PAIRS], second[at : at + MAX_PAIRS])
        for at in range(0, first.size, MAX_PAIRS)
    ]
    first, second, score = (np.concatenate(column) for column in zip(*kept, strict=True))
    return _match_greedily(first, second, score)


class _Field:
    """A field [2, cells, cells], read at pixels of the picture."""

    def __init__(self, field: F32, sides: tuple[ResamplingAxis, ResamplingAxis]) -> None:
        rows, self.columns = sides
        self.lines = multiply_matrices(rows.plain, field.astype(np.float64))
        self.span = np.arange(self.columns.taps.shape[1])
        self.height = len(rows.plain)

    def at(self, y: Index, x: Index) -> F64:
        """x and y of the field [2, ...] at pixels."""
        cells = self.columns.first[x][..., None] + self.span
        return (self.lines[:, y[..., None], cells] * self.columns.taps[x]).sum(-1)


class Pairs:
    """All pairs of two joints."""

    def __init__(self, starts: Peaks, ends: Peaks, field: _Field) -> None:
        self.starts, self.ends, self.field = starts, ends, field

    def accepted(self, first: Index, second: Index) -> tuple[Index, Index, F64]:
        """Pairs that make a limb, and their scores."""
        likely = self._agreement(first, second, PROBES)[0] > AGREEMENT
        kept = likely.sum(1) >= len(PROBES) - (SAMPLES - MIN_AGREEING)
        first, second = first[kept], second[kept]
        along, length = self._agreement(first, second, range(SAMPLES))
        score = along.sum(1) / SAMPLES + np.minimum(0.5 * self.field.height / length - 1, 0)
        good = ((along > AGREEMENT).sum(1) >= MIN_AGREEING) & (score > 0)
        return first[good], second[good], score[good]

    def _agreement(self, first: Index, second: Index, samples: Sequence[int]) -> tuple[F64, F64]:
        """Field along each limb [pairs, samples] and the limbs' lengths [pairs] in pixels, at least 0.001."""
        x, y = self.starts.x[first], self.starts.y[first]
        across, down = self.ends.x[second] - x, self.ends.y[second] - y
        length = np.maximum(np.sqrt(across * across + down * down), 0.001)
        share = np.asarray(samples) / (SAMPLES - 1)
        at_x = np.rint(x[:, None] + across[:, None] * share).astype(np.intp)
        at_y = np.rint(y[:, None] + down[:, None] * share).astype(np.intp)
        field_x, field_y = self.field.at(at_y, at_x)
        return field_x * (across / length)[:, None] + field_y * (down / length)[:, None], length


def _match_greedily(first: Index, second: Index, score: F64) -> list[Limb]:
    """Best limbs of which no two share a peak; of equal ones the earlier."""
    limbs: list[Limb] = []
    used_first: set[int] = set()
    used_second: set[int] = set()
    for at in np.argsort(-score, kind="stable").tolist():
        start, end = int(first[at]), int(second[at])
        if start not in used_first and end not in used_second:
            used_first.add(start)
            used_second.add(end)
            limbs.append(Limb(start, end, float(score[at])))
    return limbs
