"""Which options over time change which kinds of maps; nothing heavy is imported, so that lists can show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..annotator import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..annotator import Spec
    from .options import TemporalOptions

OUTLINES = frozenset((Kind.EDGES, Kind.SOFT_EDGES, Kind.LINES, Kind.SCRIBBLE))
"""Kinds of maps that a median over time is for."""
USES = {
    "fill_gaps": (Kind.POSE,),
    "smoothing": (Kind.POSE,),
    "smoothing_speed": (Kind.POSE,),
    "depth_alignment": (Kind.DEPTH,),
    "depth_range": (Kind.DEPTH,),
    "temporal_median": tuple(OUTLINES),
}
"""Option → kinds of maps that it changes."""


def is_filtered(spec: Spec) -> bool:
    """Whether there is a filter over time for an annotator's maps."""
    return any(spec.kind in uses for uses in USES.values())


def list_idle(specs: Iterable[Spec], given: Iterable[str]) -> list[str]:
    """Options that were given and change no map of these annotators, in the order of their declaration."""
    kinds, names = {spec.kind for spec in specs}, set(given)
    return [name for name, uses in USES.items() if name in names and not kinds & set(uses)]


def describe_settings(spec: Spec, options: TemporalOptions) -> dict[str, Any]:
    """The options that change maps of an annotator, for records of how a map was made."""
    return {name: getattr(options, name) for name, uses in USES.items() if spec.kind in uses}
