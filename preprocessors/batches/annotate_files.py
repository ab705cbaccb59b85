"""One run of annotators over files: which can run, what is written, and what the user should know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...core.annotator import Kind
from ...core.batch.layouts import count_captions, write_metadata
from ...core.errors import BadParameter
from ...core.images.geometry import parse_size
from ...core.report_text import count, escape_controls
from ...core.tiling.options import describe_idle_overlap, describe_tile
from ...core.video.options import VideoOptions
from .annotate_clips import annotate_clips
from .checks import check_layout, check_makes_mask
from .loading import expand_names, load_named
from .summary import summary_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...core.batch.annotate_options import AnnotateOptions
    from ...core.batch.inputs import Inputs
    from ...core.batch.manifest import Manifest
    from ...core.batch.run import BatchOptions, BatchSummary
    from ...core.hooks import HostHooks
    from ...core.params import Value
    from ...core.progress import Progress


@dataclass(frozen=True)
class FilesRequest:
    """What is asked for. names: ids, aliases or EVERY. inputs: files, folders, globs. folder: for the maps.

    values: name of an annotator → values of its parameters. given: options that the user gave, for notes on those
    without effect.
    """

    names: Sequence[str]
    inputs: tuple[str, ...]
    folder: Path
    options: AnnotateOptions
    values: Callable[[str], dict[str, Value]]
    given: frozenset[str] = frozenset()


def annotate_files(request: FilesRequest, host: HostHooks) -> BatchSummary:
    """Make what is missing of the maps, and report through the host.

    Raises BadParameter, UnknownName, MissingExtra, WeightsMissing, WriteFailed; refused inputs are in the summary.
    """
    from ...core.batch.inputs import expand_inputs
    from ...core.batch.manifest import Manifest

    request, options = _complete(request), request.options
    _check_together(options, request.given)
    if options.video:
        return annotate_clips(request, host)
    names = expand_names(request, host)
    manifest = Manifest(request.folder)
    check_layout(options.layout, names, manifest.list_entries(), request.folder)
    inputs = expand_inputs(
        request.inputs, recursive=options.recursive, is_map=manifest.is_map, origins=manifest.origins
    )
    batch = _batch_options(names, request, host)
    inputs = _drop_masks(inputs, batch)
    manifest.repair()
    for note in _idle_options(request, batch):
        host.note(f"note: {note}")
    summary = _run(request, batch, inputs, manifest, host)
    for line in summary_lines(request, batch, inputs, summary, manifest.damaged):
        host.note(escape_controls(line))
    return summary


def _complete(request: FilesRequest) -> FilesRequest:
    """Request with what a layout for training implies: maps as large as their pictures, if nothing else is given."""
    sizes = request.given & {"resolution", "match_input", "size"}
    if request.options.layout == "suffix" or sizes:
        return request
    return replace(request, options=msgspec.structs.replace(request.options, match_input=True))


def _drop_masks(inputs: Inputs, batch: BatchOptions) -> Inputs:
    """Leave the masks of inputs out, where an annotator takes masks."""
    from ...core.batch.frames import can_decode
    from ...core.batch.masks import drop_masks
    from ...core.batch.names import plan_names

    if not any(annotator.spec.takes_mask for annotator in batch.annotators.values()):
        return inputs
    readable = cache(can_decode)
    batch.mask.pair(plan_names(inputs.sources, readable), readable)
    return drop_masks(inputs, batch.mask)


def _run(
    request: FilesRequest, batch: BatchOptions, inputs: Inputs, manifest: Manifest, host: HostHooks
) -> BatchSummary:
    from ...core.batch.run import Batch
    from ...core.images.contact_sheet import write_contact_sheet

    total = len(inputs.sources)
    try:
        entries = (passed.to_entry() for passed in inputs.passed)
        manifest.note_passed(request.inputs, (entry for entry in entries if entry))
        with host.progress("annotate", total, "pictures") as progress:
            steps = _Steps(progress, total)
            for name, annotator in batch.annotators.items():
                annotator.step_tile = partial(steps.step_tile, name)
            run = Batch(batch, inputs.sources, manifest, steps.step)
            sheet = run.outputs.free(request.folder / "sheet.png") if request.options.sheet else None
            summary = run.run()
    finally:
        manifest.close()
    if request.options.layout == "diffusers":
        if kept := write_metadata(request.folder, manifest.list_entries(), manifest.earlier):
            host.note(f"note: {count(kept, 'line')} of metadata.jsonl that you wrote or edited stay as they are")
        if lacking := count_captions(manifest.list_entries()):
            host.note(f"note: {lacking}")
    if sheet:
        rows = [(source.path, manifest.find_maps(source.name)) for source in inputs.sources]
        host.note(f"{escape_controls(sheet)}{write_contact_sheet(rows, list(batch.annotators), sheet)}")
    return summary


class _Steps:
    """Pictures that are finished, and tiles of the one at hand."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def step(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)

    def step_tile(self, name: str, done: int, total: int) -> None:
        self._progress(self._done, self._total, describe_tile(done, total, name))


def _check_together(options: AnnotateOptions, given: frozenset[str]) -> None:
    """Raise BadParameter for options that exclude each other."""
    sizes = [name for name in ("resolution", "match_input", "size") if name in given]
    if len(sizes) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in sizes)
        raise BadParameter(f"{names} exclude each other", fix="give one of them")
    if options.size and (options.values or options.json):
        raise BadParameter("--size fits the picture only", fix="leave --values and --json out, or use --resolution")
    if options.mask and options.mask_from:
        raise BadParameter("--mask and --mask-from exclude each other", fix="give one of them")
    if options.layout != "suffix" and (options.values or options.json):
        what = f"--layout {options.layout} is for pictures only, trainers would stumble over other files"
        raise BadParameter(what, fix="leave --values and --json out, or write them in a run of their own")
    if options.mask_from:
        check_makes_mask(options.mask_from)


def _idle_options(request: FilesRequest, batch: BatchOptions) -> Iterator[str]:
    """Options that are given but change nothing."""
    for name in VideoOptions.__struct_fields__:
        if name in request.given and name != "video":
            yield f"--{name.replace('_', '-')} has no effect without --video"
    options, specs = request.options, [annotator.spec for annotator in batch.annotators.values()]
    if note := describe_idle_overlap(request.given, options.tile):
        yield note
    if "mode" in request.given and not options.size:
        yield "--mode says how --size is met, and has no effect without it"
    if (options.mask or options.mask_from) and not any(spec.takes_mask for spec in specs):
        yield f"{'--mask' if options.mask else '--mask-from'} has no effect, none of these annotators takes a mask"
    if options.values and all(spec.values == "none" for spec in specs):
        yield "--values has no effect, none of these annotators has values behind its map"
    if options.json and not any(spec.kind is Kind.POSE or spec.values == "labels" for spec in specs):
        yield "--json has no effect, none of these annotators finds poses or classes"


def _batch_options(names: Sequence[str], request: FilesRequest, host: HostHooks) -> BatchOptions:
    from ...core.batch.masks import MaskSource
    from ...core.batch.run import BatchOptions

    options = request.options
    mask = (
        load_named(options.mask_from, request, host)
        if options.mask_from
        else Path(options.mask)
        if options.mask
        else None
    )
    return BatchOptions(
        annotators={name: load_named(name, request, host) for name in names},
        resolution=0 if options.match_input else options.resolution,
        target=parse_size(options.size),
        mode=options.mode,
        mask=MaskSource(mask),
        values=options.values,
        poses=options.json,
        all_frames=options.all_frames,
        batch=options.batch,
        layout=options.layout,
    )
