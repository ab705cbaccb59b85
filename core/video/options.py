"""What clips are read, filtered and written with, for every host: one declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..annotator import Kind
from ..params import Params, about, between

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..annotator import Spec

Output = Literal["same", "frames", "lossless", "h264"]
"""same: as the input. frames: PNGs in a folder. lossless: FFV1 in .mkv. h264: .mp4 with losses, for every player."""
Damage = Literal["repeat", "skip", "stop"]
DepthAlignment = Literal["static", "off"]
DepthRange = Literal["frame", "running", "clip"]

OUTPUT = (
    "What maps of clips become: same (lossless of videos, frames of others), frames (PNG), lossless (FFV1 in .mkv), "
    "h264 (.mp4)."
)
DAMAGE = "Frames that cannot be read: repeat the last map, skip (leave the number out), or stop (refuse the clip)."
SPEED = "How readily smoothing gives way to motion; 0: never."


class TemporalOptions(Params, frozen=True):
    """What is done over the frames of a clip; every host shares it."""

    fill_gaps: Annotated[
        int, between(0, 120, "Poses: longest gap, in frames, in which lost people and keypoints are filled in.")
    ] = 0
    smoothing: Annotated[
        float, between(0, 10, "Poses: smoothing of jitter by the One-Euro filter; 0: off.", step=0.1)
    ] = 0.0
    smoothing_speed: Annotated[float, between(0, 100, f"Poses: {SPEED[0].lower()}{SPEED[1:]}", step=0.5)] = 16.0
    depth_alignment: Annotated[
        DepthAlignment, about("Depth: match scale and shift to earlier frames on what stands still (static), or not.")
    ] = "static"
    depth_range: Annotated[
        DepthRange,
        about("Depth: black and white of each frame alone (frame), of those so far (running), of the clip (clip)."),
    ] = "clip"
    temporal_median: Annotated[
        int, between(0, 5, "Edges, lines, depth: median over so many frames before and after, moved along; 0: off.")
    ] = 0
    frame_rate: Annotated[float, between(0.01, 1000, "Frames in a second where the input does not say it.", step=1)] = (
        24.0
    )


class VideoOptions(TemporalOptions, frozen=True):
    """What is done with clips that are read from files."""

    video: Annotated[bool, about("Inputs are clips: video files (extra video), folders of frames, animations.")] = False
    video_output: Annotated[Output, about(OUTPUT)] = "same"
    damaged: Annotated[Damage, about(DAMAGE)] = "repeat"


OUTLINES = frozenset((Kind.EDGES, Kind.SOFT_EDGES, Kind.LINES, Kind.SCRIBBLE))
"""Kinds of maps of outlines, for which there is a median over time."""
USES = {
    "fill_gaps": (Kind.POSE,),
    "smoothing": (Kind.POSE,),
    "smoothing_speed": (Kind.POSE,),
    "depth_alignment": (Kind.DEPTH,),
    "depth_range": (Kind.DEPTH,),
    "temporal_median": (*OUTLINES, Kind.DEPTH),
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
