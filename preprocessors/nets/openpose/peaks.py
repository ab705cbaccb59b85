"""Joints in the body network's heat maps. Needs torch, numpy and OpenCV.

A peak is a pixel of the picture whose blurred heat exceeds 0.1 and is not below that of its four neighbours; its
confidence is the heat before the blur. Found without blurring or enlarging whole maps: only where the bounds of the
rows and columns allow 0.1 at all, in float32; then again in double precision; and where even that leaves a tie open,
with the arithmetic of the official code itself, so that its very pixels come out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from .network import STRIDE
from .resampling import RADIUS, InputPlan, ResamplingAxis, blur_padded, mirror_index, multiply_matrices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]
    Index = NDArray[np.intp]
    Flags = NDArray[np.bool_]

JOINTS = 18
THRESHOLD = 0.1
MAX_PEAKS = 256
"""Peaks that are kept of one joint, by confidence, so that a noise of thousands does not stall."""
COARSE, FINE = 1e-5, 1e-6
"""Error of float32 products, and of double precision against the official float32 arithmetic, relative to the largest
heat of the map (measured: below 5e-7 and 3e-7)."""
AROUND = np.array([-1, 0, 1])


class Peaks(NamedTuple):
    """Peaks of one joint, in order of rows. x, y: pixels of the picture. score: heat at the pixel."""

    x: Index
    y: Index
    score: F64


NO_PEAKS = Peaks(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))


def find_peaks(heat: F32, plan: InputPlan, sides: tuple[ResamplingAxis, ResamplingAxis]) -> list[Peaks]:
    """Peaks of each of the 18 joints in heat maps [18 or more, cells, cells]."""
    return [_find_joint(heat[joint], plan, sides) for joint in range(JOINTS)]


def _find_joint(heat: F32, plan: InputPlan, sides: tuple[ResamplingAxis, ResamplingAxis]) -> Peaks:
    rows, columns = sides
    scale = float(np.abs(heat).max())
    if scale * rows.gain * columns.gain <= THRESHOLD:
        return NO_PEAKS
    y, x = _find_candidates(heat, sides, COARSE * scale)
    if not y.size:
        return NO_PEAKS
    kept = _confirm(y, x, heat, plan, sides, FINE * scale)
    y, x = y[kept], x[kept]
    score = (rows.plain[y] @ heat.astype(np.float64) * columns.plain[x]).sum(1)
    if len(score) > MAX_PEAKS:
        strongest = np.sort(np.argsort(-score, kind="stable")[:MAX_PEAKS])
        y, x, score = y[strongest], x[strongest], score[strongest]
    return Peaks(x, y, score)


def _find_candidates(heat: F32, sides: tuple[ResamplingAxis, ResamplingAxis], slack: float) -> tuple[Index, Index]:
    """Rows and columns of all pixels that may be peaks when blurred values are wrong by up to slack."""
    rows, columns = sides
    least = THRESHOLD - slack
    across = multiply_matrices(heat, columns.smooth.T.astype(np.float32))
    inner_x = np.flatnonzero(np.abs(across).max(0) * rows.gain > least)
    down = multiply_matrices(rows.smooth.astype(np.float32), heat)
    inner_y = np.flatnonzero(np.abs(down).max(1) * columns.gain > least)
    if not (inner_y.size and inner_x.size):
        return inner_y[:0], inner_x[:0]
    blurry = multiply_matrices(rows.smooth[inner_y].astype(np.float32), across[:, inner_x])
    top = (blurry > least) & _find_ridge(blurry, inner_y, 2 * slack) & _find_ridge(blurry.T, inner_x, 2 * slack).T
    y, x = np.nonzero(top)
    return inner_y[y], inner_x[x]


def _find_ridge(values: F32, place: Index, slack: float) -> Flags:
    """Where values [n, m] are not below both neighbours along the first axis, whose places may have gaps.

    What lies in a gap is below the threshold, so lower than every peak.
    """
    step = np.diff(values, axis=0)
    step[np.diff(place) > 1] = 0
    ridge = np.ones(values.shape, np.bool_)
    ridge[1:] = step >= -slack
    ridge[:-1] &= step <= slack
    return ridge


def _confirm(
    y: Index, x: Index, heat: F32, plan: InputPlan, sides: tuple[ResamplingAxis, ResamplingAxis], slack: float
) -> Flags:
    """Which candidates are peaks."""
    lead = _compute_lead(_blur_patches(y, x, heat, sides), y, x, plan)
    peak = lead > slack
    open_ = np.flatnonzero(np.abs(lead) <= slack)
    if open_.size:
        peak[open_] = _compute_reference_lead(y[open_], x[open_], heat, plan) >= 0
    return peak


def _blur_patches(y: Index, x: Index, heat: F32, sides: tuple[ResamplingAxis, ResamplingAxis]) -> F64:
    """Blurred values [n, 3, 3] round each pixel."""
    (rows, columns), wide = sides, heat.astype(np.float64)
    near_y, near_x = (np.clip(at[:, None] + AROUND, 0, len(axis.smooth) - 1) for at, axis in ((y, rows), (x, columns)))
    return rows.smooth[near_y] @ wide @ columns.smooth[near_x].transpose(0, 2, 1)


def _compute_lead(patch: F64, y: Index, x: Index, plan: InputPlan) -> F64:
    """By how much the middle of each patch exceeds its four neighbours and the threshold; 0 is enough for the former,
    not for the latter. Beyond the border there is nothing.
    """
    height, width = plan.picture
    outside = np.stack([y == 0, y == height - 1, x == 0, x == width - 1], axis=1)
    neighbours = np.where(outside, 0, patch[:, [0, 2, 1, 1], [1, 1, 0, 2]])
    middle = patch[:, 1, 1]
    above = np.nextafter(middle - THRESHOLD, -1)  # so that 0 fails here too
    return np.minimum((middle[:, None] - neighbours).min(1), above)


def _compute_reference_lead(y: Index, x: Index, heat: F32, plan: InputPlan) -> F64:
    """As _lead, of patches that come about as in the official code."""
    whole = resize_as_reference(heat, plan)
    around = np.arange(-RADIUS - 1, RADIUS + 2)
    rows, columns = mirror_index(y[:, None] + around, whole.shape[0]), mirror_index(x[:, None] + around, whole.shape[1])
    windows = whole[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    down = blur_padded(windows.transpose(1, 0, 2))
    return _compute_lead(blur_padded(down.transpose(2, 0, 1)).transpose(2, 1, 0), y, x, plan)


def resize_as_reference(heat: F32, plan: InputPlan) -> F32:
    """Map [cells, cells] at the picture's size, resized twice."""
    height, width = heat.shape
    large = cv2.resize(heat, (width * STRIDE, height * STRIDE), interpolation=cv2.INTER_LANCZOS4)
    method = cv2.INTER_AREA if plan.shrinks else cv2.INTER_LANCZOS4
    shown = large[: plan.content.height, : plan.content.width]
    return np.asarray(cv2.resize(shown, plan.picture[::-1], interpolation=method), np.float32)
