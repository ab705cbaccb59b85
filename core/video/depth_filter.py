"""Depth over time: scale and shift matched on what stands still, and one range for a whole clip or for a while."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

from ..errors import WriteFailed
from ..files import FULL, describe_full_disk
from .alignment import Affine, fit_affine
from .median import filter_median
from .motion import find_static, match_frames, shrink_frame, warp_back
from .types import ClipFrame, FrameMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..images.types import Plane
    from .motion import Grey
    from .options import TemporalOptions
    from .redrawing import SpanRendering

    Note = Callable[[str], None]

LEAST_STATIC = 0.15
"""Share of a frame that must stand still against the key frame; with less, pixels are followed by optical flow."""
LEAST_FOLLOWED = 0.25
"""Share of a frame that must be found again by optical flow; with less, another scene begins."""
RENEWAL = 0.5
"""A frame of which less than this share stands still against the key frame becomes the next key frame."""
NARROWING = 2.0
"""Seconds in which a running range that is too wide narrows to a third of what is too much."""


@dataclass(frozen=True)
class _Key:
    grey: Grey
    depth: Plane


class DepthAligner:
    """Brings depth maps of a clip to the scale of its first frame, scene by scene.

    Each frame is matched to a key frame on the pixels in which both pictures are equal; where too few are, to the frame
    before it on those that optical flow finds again. The key frame stays as long as half of the picture stands still,
    so that errors do not add up; then the frame at hand is the next one. A frame that shows nothing of the one before
    it begins another scene.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self._key: _Key | None = None
        self._previous: _Key | None = None

    def __call__(self, item: FrameMap, depth: Plane) -> Plane:
        """Depth [H, W] of the next frame at the common scale."""
        grey = shrink_frame(item.pixels)
        small = np.asarray(cv2.resize(depth, grey.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
        match, share = self._match(grey, small)
        if match is None:
            if self._key is not None:
                self._note(f"depth: another scene begins at frame {item.frame.number}, it has a scale of its own")
            match, share = Affine(), 0.0
        self._previous = _Key(grey, match.apply(small))
        if share < RENEWAL:
            self._key = self._previous
        return match.apply(depth)

    def _match(self, grey: Grey, small: Plane) -> tuple[Affine | None, float]:
        """Match with the key frame, and the share that stands still against it."""
        if self._key is None or self._previous is None or self._key.grey.shape != grey.shape:
            return None, 0.0
        static = find_static(grey, self._key.grey)
        share = float(static.mean())
        if share >= LEAST_STATIC and (match := fit_affine(small[static], self._key.depth[static])) is not None:
            return match, share
        return self._follow(grey, small, self._previous), 0.0

    def _follow(self, grey: Grey, small: Plane, previous: _Key) -> Affine | None:
        flow, known = match_frames(grey, previous.grey)
        if known.mean() < LEAST_FOLLOWED:
            return None
        return fit_affine(small[known], warp_back(previous.depth, flow)[known])


def filter_depth(
    maps: Iterator[FrameMap],
    annotator: SpanRendering,
    params: Any,
    options: TemporalOptions,
    note: Note,
    folder: Path | None = None,
) -> Iterator[FrameMap]:
    """Maps in order, of aligned values, shown in the range that the options choose; values are the aligned ones.

    With the range of the whole clip the maps come when the last frame is known; until then they lie in a temporary file
    in folder (4 bytes a pixel and frame; None: the system's). Raises WriteFailed where the disk is full.
    """
    aligner = DepthAligner(note) if options.depth_alignment == "static" else None
    aligned = (_align(item, aligner) for item in maps)
    if options.temporal_median:
        aligned = filter_median(aligned, options.temporal_median, binary=False)
    if options.depth_range == "clip":
        yield from _render_clip(aligned, annotator, params, folder)
        return
    running = RunningSpan()
    for item in aligned:
        plane = _take_plane(item)
        span = annotator.find_span(plane, params)
        if options.depth_range == "running":
            span = running(span, item.time)
        yield _render(item, plane, annotator, params, span)


def _take_plane(item: FrameMap) -> Plane:
    values = item.control_map.values
    if values is None:
        raise TypeError("a map of depth has values")
    return values[0]


def _align(item: FrameMap, aligner: DepthAligner | None) -> FrameMap:
    plane = np.nan_to_num(_take_plane(item), nan=0.0, posinf=0.0, neginf=0.0)
    return item.replace_map(values=(plane if aligner is None else aligner(item, plane))[None])


def _render(item: FrameMap, plane: Plane, annotator: SpanRendering, params: Any, span: tuple[float, float]) -> FrameMap:
    values = plane[None]
    return item.replace_map(images=annotator.render_span(values, params, span), values=values)


class RunningSpan:
    """Range of the frames so far: it widens at once, so that nothing is cut off, and narrows slowly."""

    def __init__(self) -> None:
        self._span: tuple[float, float] | None = None
        self._time = 0.0

    def __call__(self, span: tuple[float, float], time: float) -> tuple[float, float]:
        """Range for the next frame, whose own is span. time: in seconds."""
        if self._span is None:
            self._span, self._time = span, time
            return span
        share = 1 - float(np.exp(-max(time - self._time, 0.0) / NARROWING))
        low, high = self._span
        low, high = low + share * max(span[0] - low, 0), high - share * max(high - span[1], 0)
        self._span, self._time = (min(low, span[0]), max(high, span[1])), time
        return self._span


class _Record(msgspec.Struct, frozen=True):
    """What is kept of a frame beside its depth."""

    number: int
    time: tuple[int, int]
    name: str
    notes: tuple[str, ...]


def _render_clip(
    aligned: Iterator[FrameMap], annotator: SpanRendering, params: Any, folder: Path | None
) -> Iterator[FrameMap]:
    low, high = float("inf"), float("-inf")
    last: FrameMap | None = None
    with tempfile.TemporaryFile(dir=folder, prefix=".ud-depth-") as file:
        for last in aligned:
            plane = _take_plane(last)
            span = annotator.find_span(plane, params)
            low, high = min(low, span[0]), max(high, span[1])
            frame, notes = last.frame, last.control_map.notes
            record = _Record(frame.number, frame.time.as_integer_ratio(), frame.name, notes)
            _store(file, msgspec.json.encode(record) + b"\n" + plane.astype("<f4").tobytes(), folder)
        if last is None:
            return
        file.seek(0)
        shape = last.control_map.images.shape[1:3]
        while line := file.readline():
            record = msgspec.json.decode(line, type=_Record)
            plane = np.frombuffer(file.read(4 * shape[0] * shape[1]), "<f4").astype(np.float32).reshape(shape)
            frame = ClipFrame(record.number, Fraction(*record.time), record.name)
            item = FrameMap(frame, replace(last.control_map, notes=record.notes))
            yield _render(item, plane, annotator, params, (low, high))


def _store(file: Any, data: bytes, folder: Path | None) -> None:
    try:
        file.write(data)
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = folder or Path(tempfile.gettempdir())
        fix = "free some space, or choose --depth-range running, which needs none"
        raise WriteFailed(describe_full_disk(place, len(data)), where=str(place), fix=fix) from error
