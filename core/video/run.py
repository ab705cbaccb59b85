"""Annotators over clips: each clip and annotator is one result, made anew as a whole or found complete."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from ..batch.frames import hash_input
from ..batch.outputs import to_safe_name
from ..batch.run import BatchSummary
from ..errors import BadImage
from ..tiling.options import describe_tile, describe_tiles
from ..weights.store import get_store
from .foreign import find_foreign, remove_maps
from .inputs import plan_clip_names
from .options import describe_settings
from .pipeline import ClipRun, MapSettings
from .writing import SUFFIXES, FrameSink, VideoSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..annotator import Annotator
    from ..batch.manifest import Entry, Manifest, Position
    from ..hooks import HostHooks
    from .inputs import ClipInput
    from .options import Output, VideoOptions
    from .types import Clip, ClipFrame, ClipInfo

MOST_NUMBERS = 1000
"""Most numbers of damaged frames that a record lists."""


@dataclass(frozen=True)
class ClipOptions:
    """Annotators (name as the user gave it → annotator) and options that are applied to every clip."""

    annotators: dict[str, Annotator[Any]]
    settings: MapSettings
    video: VideoOptions
    values: bool = False
    json: bool = False


class ClipBatch:
    """One run over a list of clips."""

    def __init__(self, options: ClipOptions, clips: Sequence[ClipInput], manifest: Manifest, host: HostHooks) -> None:
        self.options, self.clips, self.manifest, self.host = options, clips, manifest, host
        self.names = plan_clip_names(clips)
        self.summary = BatchSummary()

    def run(self) -> BatchSummary:
        """Annotate every clip; refused ones are in the summary. Raises WriteFailed, MissingExtra."""
        for number, (source, name) in enumerate(zip(self.clips, self.names, strict=True)):
            try:
                self._annotate_clip(number, source, name)
            except BadImage as error:
                self._refuse(source, "", error, (number, -1, -1))
        return self.summary

    def _annotate_clip(self, number: int, source: ClipInput, place: str) -> None:
        clip = source.make_clip(self.options.video.frame_rate)
        info, digest = clip.read_info(), _hash_clip(clip)
        if source.note:
            self.summary.notes.append((source.path.as_posix(), source.note))
        for order, name in enumerate(self.options.annotators):
            output = choose_output(self.options.video.video_output, is_video=source.is_video)
            entry = self._build_entry(source, digest, name, place, output)
            if self.manifest.is_done(entry):
                self.manifest.reuse(entry, (number, 0, order))
                self.summary.reused += 1
                continue
            try:
                self._annotate(clip, info, name, entry, (number, 0, order), output)
            except BadImage as error:
                self._refuse(source, name, error, (number, 0, order))

    def _build_entry(self, source: ClipInput, digest: str, name: str, place: str, output: Output) -> Entry:
        """Everything that decides the bytes of a result."""
        annotator, settings = self.options.annotators[name], self.options.settings
        defaults, options = annotator.defaults, self.options.video
        entry: Entry = {
            "input": source.path.as_posix(),
            "sha256": digest,
            "name": name,
            "output": f"{place}.{to_safe_name(name)}{SUFFIXES.get(output, '')}",
            "annotator": annotator.spec.id,
            "version": annotator.spec.version,
            "params": msgspec.to_builtins(defaults),
            "weights": {w.id: get_store().complete(w).sha256 for w in annotator.weights_for(defaults)},
            "resolution": settings.resolution,
            "device": str(annotator.placement),
            "also": [kind for kind in ("values", "json") if getattr(self.options, kind)],
            "video": {
                "output": output,
                "damaged": options.damaged,
                "frame_rate": options.frame_rate,
                **describe_settings(annotator.spec, options),
            },
        }
        if settings.target:
            entry |= {"resolution": "pixel perfect", "size": list(settings.target), "mode": settings.mode}
        return entry | describe_tiles(annotator.tiles)

    def _annotate(self, clip: Clip, info: ClipInfo, name: str, entry: Entry, place: Position, output: Output) -> None:
        sink = self._open_sink(clip, info, entry, output)
        run = ClipRun(self.options.annotators[name], self.options.settings, self.options.video)
        notes, numbers = list(info.notes), list[int]()
        count = 0
        with self.host.progress(f"{clip.path.name} {name}", info.count, "frames") as progress:
            finished = 0

            def step_tile(done: int, total: int) -> None:
                progress(finished, max(info.count, finished), describe_tile(done, total))

            def read() -> Iterator[ClipFrame]:
                nonlocal finished
                resolution = self.options.settings.resolution if self.options.settings.target is None else None
                for frame in clip.read_frames(resolution):
                    if frame.pixels is None and len(numbers) < MOST_NUMBERS:
                        numbers.append(frame.number)
                    yield frame
                    finished += 1
                    progress(finished, max(info.count, finished))

            run.annotator.step_tile = step_tile
            with sink.begin():
                maps = run.run(
                    read(),
                    self.options.video.damaged,
                    rate=float(info.rate),
                    note=notes.append,
                    folder=self.manifest.folder,
                )
                for frame, control_map in maps:
                    sink.write(frame, control_map)
                    progress.check()
                    count += 1
        notes += [*clip.late_notes, *sink.notes, *run.notes.list()]
        self._record(entry, place, sink.files, notes, count, numbers)

    def _open_sink(self, clip: Clip, info: ClipInfo, entry: Entry, output: Output) -> FrameSink | VideoSink:
        target = self.manifest.folder / entry["output"]
        inputs = [one for source in self.clips for one in (source.frames or (source.path,))]
        if target.exists() and any(target.samefile(at) for one in inputs if one.exists() for at in (one, one.parent)):
            raise BadImage("its maps would overwrite an input", where=str(target), fix="choose another output folder")
        if foreign := find_foreign(target, self.manifest.is_map):
            what = "a file that this program did not write has the place of its maps"
            raise BadImage(what, where=str(foreign), fix="move that file, or choose another output folder")
        if output == "frames":
            timed = clip.files == (clip.path,)
            values, document = self.options.values, self.options.json

            def prepare() -> None:
                recorded = [self.manifest.folder / name for name in self.manifest.list_files(entry["output"])]
                self.manifest.forget(entry["output"])
                remove_maps(target, recorded)

            return FrameSink(target, values=values, json=document, timed=timed, prepare=prepare)
        return VideoSink(target, info, output, json=self.options.json)

    def _record(
        self, entry: Entry, place: Position, files: list[str], notes: list[str], count: int, numbers: list[int]
    ) -> None:
        """Record a result, and remove what an earlier run with other options left in its place."""
        for name in set(self.manifest.list_files(entry["output"])) - set(files):
            (self.manifest.folder / name).unlink(missing_ok=True)
        unique = list(dict.fromkeys(notes))
        result = {"status": "done", "files": files, "notes": unique, "frames": count, "damaged_frames": numbers}
        self.manifest.add({**entry, **result}, place)
        self.summary.written += 1
        self.summary.notes.extend((entry["output"], note) for note in unique)

    def _refuse(self, source: ClipInput, name: str, error: BadImage, place: Position) -> None:
        path = source.path.as_posix()
        own = error.where in ("", str(source.path))
        reason = str(BadImage(error.what, where="" if own else error.where, fix=error.fix))
        self.manifest.add({"input": path, "name": name, "status": "refused", "reason": reason}, place)
        self.summary.refused.append((path, reason))


def choose_output(output: Output, *, is_video: bool) -> Output:
    """What is written of a clip: "same" is a video without losses of a video, and frames of anything else."""
    return output if output != "same" else "lossless" if is_video else "frames"


def _hash_clip(clip: Clip) -> str:
    """Hash of a video's bytes, or of the names and bytes of frames. Raises BadImage."""
    if clip.files == (clip.path,):
        return hash_input(clip.path)
    digest = sha256()
    for path in clip.files:
        digest.update(f"{path.name}\0{hash_input(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
