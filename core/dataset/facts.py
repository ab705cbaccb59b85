"""What is measured on every map: people and their keypoints, edges, depth. Filters and statistics read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..annotator import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..annotator import ControlMap, Spec
    from ..poses.model import Keypoints, Pose

EDGE_KINDS = frozenset({Kind.EDGES, Kind.SOFT_EDGES, Kind.LINES, Kind.SCRIBBLE})
"""Families whose maps are white lines on black."""
HALF = 128
"""Least brightness of a pixel that counts as an edge."""
_DECIMALS = 6
_TAILS = (5, 95)
"""Percentiles between which the depth shown lies."""


class DepthFacts(msgspec.Struct, frozen=True):
    """Depth of one map. low, high: of the raw values, in the network's units; both 0 where it has none.

    spread: how far the map's 5th and 95th percentile lie apart, 0 (flat) to 1 (black to white).
    """

    low: float
    high: float
    spread: float


class MapFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of one map; None where its annotator finds nothing of the kind.

    people, animals: how many. keypoints: for each of them the share of the body's 18 keypoints (an animal's 17) that
    was found, 0 to 1, the most complete first. edges: share of pixels at least half as bright as white, 0 to 1.
    """

    width: int
    height: int
    people: int | None = None
    keypoints: tuple[float, ...] | None = None
    animals: int | None = None
    edges: float | None = None
    depth: DepthFacts | None = None


def find_facts(spec: Spec, result: ControlMap, index: int = 0) -> MapFacts:
    """Measure one map of a batch, of an annotator of this declaration."""
    height, width = result.images.shape[1:3]
    facts = MapFacts(width, height)
    if result.poses is not None:
        facts = _add_people(facts, result.poses[index])
    if spec.kind in EDGE_KINDS:
        facts = msgspec.structs.replace(facts, edges=_find_edges(result, index))
    if spec.kind is Kind.DEPTH:
        facts = msgspec.structs.replace(facts, depth=_find_depth(result, index))
    return facts


def _add_people(facts: MapFacts, pose: Pose) -> MapFacts:
    bodies = (*(person.body for person in pose.people), *pose.animals)
    shares = tuple(sorted(map(_find_share, bodies), reverse=True))
    return msgspec.structs.replace(facts, people=len(pose.people), keypoints=shares, animals=len(pose.animals) or None)


def _find_share(keypoints: Keypoints) -> float:
    return _round(sum(point is not None for point in keypoints) / max(1, len(keypoints)))


def _find_edges(result: ControlMap, index: int) -> float:
    import numpy as np

    red, green, blue = (
        result.images[index, ..., channel] >= HALF for channel in range(3)
    )  # a maximum is ten times slower
    bright = red | green | blue
    return _round(np.count_nonzero(bright) / max(1, bright.size))


def _find_depth(result: ControlMap, index: int) -> DepthFacts:
    import numpy as np

    dark, light = _find_percentiles(result.images[index, ..., 0])
    low = high = 0.0
    if result.values is not None:
        known = result.values[index][np.isfinite(result.values[index])]
        if known.size:
            low, high = float(known.min()), float(known.max())
    return DepthFacts(_shorten(low), _shorten(high), _round((light - dark) / 255))


def _find_percentiles(levels: NDArray[np.uint8]) -> tuple[int, int]:
    """Grey levels below which 5 % and 95 % of the pixels lie, whole numbers on every machine."""
    import numpy as np

    total = np.cumsum(np.bincount(levels.ravel(), minlength=256))
    low, high = (int(np.searchsorted(total, tail * total[-1] / 100)) for tail in _TAILS)
    return low, high


def _round(share: float) -> float:
    return round(float(share), _DECIMALS)


def _shorten(value: float) -> float:
    return float(f"{value:.6g}")
