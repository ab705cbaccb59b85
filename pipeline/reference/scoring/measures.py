"""Measures of obedience, on arrays; all are means over pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Values = NDArray[np.floating[Any]]

PCK_SHARE = 0.1
"""Share of a person's larger side within which a joint counts as found."""
NEAREST_ZERO = 1e-3


def widen(lines: Flags, pixels: int) -> Flags:
    """Everything at most so many pixels from lines [H, W], diagonals included."""
    wide = lines.copy()
    for _ in range(pixels):
        padded = np.pad(wide, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        wide = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return wide


def measure_edges(found: Flags, wanted: Flags, *, tolerance: int = 1) -> float:
    """F1 of edge pixels [N, H, W]: each counts if the other has one within the tolerance; 1 where both are empty."""
    scores: list[float] = []
    for one, other in zip(found, wanted, strict=True):
        if not one.any() and not other.any():
            scores.append(1.0)
            continue
        precision = float((one & widen(other, tolerance)).sum()) / max(int(one.sum()), 1)
        recall = float((other & widen(one, tolerance)).sum()) / max(int(other.sum()), 1)
        scores.append(2 * precision * recall / max(precision + recall, 1e-9))
    return float(np.mean(scores))


def measure_strokes(found: Flags, wanted: Flags) -> float:
    """Intersection over union of strokes [N, H, W] to the pixel; 1 where both are empty.

    Strokes of scribbles cover a third of a picture, so that most pixels have one near by chance: they are compared as
    regions are, without a tolerance.
    """
    pairs = [(int((one & other).sum()), int((one | other).sum())) for one, other in zip(found, wanted, strict=True)]
    return float(np.mean([shared / either if either else 1.0 for shared, either in pairs]))


def measure_depth(found: Values, wanted: Values) -> dict[str, float]:
    """Nearness [N, H, W], 0 to 1: root mean square error, and error relative to what is wanted, without the sky."""
    error = found.astype(np.float64) - wanted
    rmse = np.sqrt((error**2).mean((1, 2))).mean()
    near = wanted > NEAREST_ZERO
    return {"rmse": float(rmse), "abs_rel": float((np.abs(error)[near] / wanted[near]).mean())}


def measure_classes(found: NDArray[np.integer], wanted: NDArray[np.integer]) -> float:
    """Intersection over union [N, H, W], the mean over the classes that are wanted somewhere."""
    ratios: list[float] = []
    for number in np.unique(wanted):
        one, other = found == number, wanted == number
        ratios.append(float((one & other).sum() / (one | other).sum()))
    return float(np.mean(ratios))


def measure_joints(found: Values, wanted: Values) -> float:
    """Share of the wanted joints [..., 18, 2], NaN where there is none, that are found near enough (PCK@0.1)."""
    hits: list[NDArray[np.bool_]] = []
    for one, other in zip(found.reshape(-1, 18, 2), wanted.reshape(-1, 18, 2), strict=True):
        there = ~np.isnan(other).any(1)
        if there.sum() < 2:
            continue
        side = float((other[there].max(0) - other[there].min(0)).max())
        hits.append(np.linalg.norm(one[there] - other[there], axis=1) <= PCK_SHARE * side)
    return float(np.concatenate(hits).mean()) if hits else 1.0


def measure_outside(found: NDArray[np.uint8], wanted: NDArray[np.uint8], masks: Flags) -> float:
    """Mean difference in levels of pictures [N, H, W, 3] where they were not erased."""
    difference = np.abs(found.astype(np.float64) - wanted)
    return float(difference[~masks].mean())


def measure_attributes(
    found: Mapping[str, NDArray[np.integer]], wanted: Mapping[str, NDArray[np.integer]]
) -> dict[str, float]:
    """Share of right answers by attribute; where -1 is wanted, nothing is asked."""
    shares: dict[str, float] = {}
    for name, answers in wanted.items():
        asked = answers >= 0
        shares[name] = float((found[name][asked] == answers[asked]).mean()) if asked.any() else 1.0
    return shares


def compare(measure: str, off: float, on: float, ceiling: float) -> dict[str, float | str]:
    """How much a control helps, and how near it comes to the ceiling: 1 is as good. Errors are better when small.

    gain: how many times better than off. of_ceiling: ratio to the ceiling. skill: share of the way from off to the
    ceiling that it goes, the skill score of forecasts, which says the same of errors and of hits.
    """
    error = measure in ERRORS
    gain, share = (off / max(on, 1e-9), ceiling / max(on, 1e-9)) if error else (on / max(off, 1e-9), on / ceiling)
    skill = (on - off) / (ceiling - off) if ceiling != off else float(on == ceiling)
    return {
        "measure": measure,
        "off": off,
        "on": on,
        "ceiling": ceiling,
        "gain": gain,
        "of_ceiling": share,
        "skill": skill,
    }


def compare_together(alone: Mapping[str, Any], value: float) -> dict[str, float]:
    """What is left of a control beside another one. alone: its row of `compare`; of_alone: 1 is as good."""
    error = alone["measure"] in ERRORS
    share = alone["on"] / max(value, 1e-9) if error else value / max(alone["on"], 1e-9)
    return {"on": value, "of_alone": share}


ERRORS: Sequence[str] = ("rmse", "abs_rel", "levels")
"""Measures that are better when small."""
