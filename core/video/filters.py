"""Which filter over time an annotator's maps go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..annotator import Kind
from .depth_filter import filter_depth
from .median import filter_median
from .options import OUTLINES
from .pose_filter import filter_poses
from .redrawing import PoseDrawing, SpanRendering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..annotator import Annotator
    from .options import TemporalOptions
    from .types import FrameMap


def filter_maps(
    maps: Iterator[FrameMap],
    annotator: Annotator[Any],
    params: Any,
    options: TemporalOptions,
    *,
    rate: float,
    note: Callable[[str], None],
    folder: Path | None = None,
) -> Iterator[FrameMap]:
    """Maps of a clip in order, through the filter of their kind; those of other kinds as they are.

    rate: frames in a second. note: gets what the user should know. folder: for a temporary file of depth, see
    `filter_depth`. Holds a few frames at a time, however many there are.
    """
    kind = annotator.spec.kind
    if kind is Kind.POSE and isinstance(annotator, PoseDrawing):
        return filter_poses(maps, annotator, params, options, rate)
    if kind is Kind.DEPTH and isinstance(annotator, SpanRendering) and not _is_by_frame(options):
        return filter_depth(maps, annotator, params, options, note, folder)
    if kind in OUTLINES and options.temporal_median:
        return filter_median(maps, options.temporal_median, binary=not annotator.spec.smooth)
    return maps


def _is_by_frame(options: TemporalOptions) -> bool:
    return options.depth_alignment == "off" and options.depth_range == "frame" and not options.temporal_median
