"""One run of annotators over clips: what is refused before it begins, and what the user should know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import BadParameter
from ...core.images.geometry import parse_size
from ...core.report_text import count, escape_controls
from ...core.tiling.options import describe_idle_overlap
from .loading import expand_names, load_named
from .summary import summary_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.batch.annotate_options import AnnotateOptions
    from ...core.batch.run import BatchSummary
    from ...core.hooks import HostHooks
    from ...core.video.inputs import ClipInput
    from ...core.video.run import ClipOptions
    from .annotate_files import FilesRequest


def annotate_clips(request: FilesRequest, host: HostHooks) -> BatchSummary:
    """Make what is missing of the maps of clips, and report through the host.

    Raises BadParameter, UnknownName, MissingExtra, WeightsMissing, WriteFailed; refused clips are in the summary.
    """
    from ...core.batch.manifest import Manifest
    from ...core.video.inputs import expand_clips
    from ...core.video.run import ClipBatch

    options = request.options
    check_clip_options(options)
    names = expand_names(request, host)
    manifest = Manifest(request.folder)
    clips = expand_clips(request.inputs, recursive=options.recursive, is_map=manifest.is_map)
    batch = _collect_options(names, request, host)
    manifest.repair()
    for note in _list_idle_options(request, batch, clips):
        host.note(f"note: {note}")
    try:
        summary = ClipBatch(batch, clips, manifest, host).run()
    finally:
        manifest.close()
    for line in _list_lines(request, batch, clips, summary):
        host.note(escape_controls(line))
    return summary


def check_clip_options(options: AnnotateOptions) -> None:
    """Raise BadParameter for options that clips do not take."""
    if options.layout != "suffix":
        what = f"--layout {options.layout} is for pictures"
        raise BadParameter(what, fix="leave --video out to make a training set of the frames of a folder")
    if options.sheet:
        raise BadParameter("--sheet is for pictures", fix="leave --sheet out")
    if options.mask or options.mask_from:
        name = "--mask" if options.mask else "--mask-from"
        raise BadParameter(f"{name} is for pictures", fix="leave --video out and give a folder of frames")
    if options.values and options.video_output not in ("same", "frames"):
        what = f"--values are written beside frames, --video-output {options.video_output} has none"
        raise BadParameter(what, fix="choose --video-output frames, or leave --values out")


def _collect_options(names: list[str], request: FilesRequest, host: HostHooks) -> ClipOptions:
    from ...core.video.pipeline import MapSettings
    from ...core.video.run import ClipOptions

    options = request.options
    annotators = {name: load_named(name, request, host) for name in names}
    if taking := [name for name, annotator in annotators.items() if annotator.spec.takes_mask]:
        what = f"{', '.join(taking)} needs a mask for every frame, which clips have not"
        raise BadParameter(what, fix="leave --video out and give a folder of frames with --mask or --mask-from")
    resolution = 0 if options.match_input else options.resolution
    settings = MapSettings(resolution, parse_size(options.size), options.mode, options.batch)
    return ClipOptions(annotators, settings, options, options.values, options.json)


def _list_idle_options(request: FilesRequest, batch: ClipOptions, clips: list[ClipInput]) -> Iterator[str]:
    from ...core.annotator import Kind
    from ...core.video.options import list_idle

    specs = [annotator.spec for annotator in batch.annotators.values()]
    for name in list_idle(specs, request.given):
        yield f"--{name.replace('_', '-')} has no effect on the maps of these annotators"
    if note := describe_idle_overlap(request.given, request.options.tile):
        yield note
    if "mode" in request.given and not request.options.size:
        yield "--mode says how --size is met, and has no effect without it"
    if "all_frames" in request.given:
        yield "--all-frames has no effect: clips have all their frames"
    if "frame_rate" in request.given and clips and all(clip.is_video for clip in clips):
        yield "--frame-rate has no effect on videos, which state their own"
    if "smoothing_speed" in request.given and not request.options.smoothing:
        yield "--smoothing-speed has no effect without --smoothing"
    if request.options.json and not any(spec.kind is Kind.POSE or spec.values == "labels" for spec in specs):
        yield "--json has no effect, none of these annotators finds poses or classes"
    if request.options.values and any(clip.is_video for clip in clips) and request.options.video_output == "same":
        raise BadParameter(
            "--values are written beside frames, and maps of videos are videos", fix="give --video-output frames"
        )


def _list_lines(
    request: FilesRequest, batch: ClipOptions, clips: list[ClipInput], summary: BatchSummary
) -> Iterator[str]:
    yield from summary_notes(summary)
    for name, annotator in batch.annotators.items():
        if annotator.spec.weights:
            yield f"{name} ran on {annotator.placement}"
    reused = f", {summary.reused} kept from an earlier run" if summary.reused else ""
    refused = f", {len(summary.refused)} refused" if summary.refused else ""
    yield f"maps of {count(len(clips), 'clip')}: {summary.written} made in {request.folder}{reused}{refused}"
