"""Runs annotators on many pictures: each is decoded once, runs are resumable, and refused inputs do not stop them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadImage
from ..images.geometry import Size, find_pixel_perfect
from ..tiling.options import LESS_MEMORY, describe_tiles
from ..weights.store import get_store
from .frames import Frame, can_decode, hash_input, iter_groups, iter_pictures
from .layouts import Layout, build_output, describe_layout, find_image, read_caption, write_image
from .masks import MaskSource
from .names import plan_names
from .outputs import Outputs, to_safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..annotator import Annotator, ControlMap
    from ..images.geometry import FitMode
    from .inputs import Source
    from .manifest import Entry, Manifest, Position
    from .masks import Mask


@dataclass(frozen=True)
class BatchOptions:
    """Annotators and options that are applied to every picture.

    annotators: name as the user gave it → annotator. target: size every map is fitted to by mode. layout: of names.
    """

    annotators: dict[str, Annotator[Any]]
    resolution: int
    target: Size | None = None
    mode: FitMode = "crop"
    mask: MaskSource = field(default_factory=MaskSource)
    values: bool = False
    poses: bool = False
    all_frames: bool = False
    batch: int = 1
    layout: Layout = "suffix"


@dataclass
class BatchSummary:
    """Result of a run; refused holds (input, reason), notes (output or input, note)."""

    written: int = 0
    reused: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class Batch:
    """One run over a list of sources. step is called when a source is finished."""

    def __init__(
        self, options: BatchOptions, sources: list[Source], manifest: Manifest, step: Callable[[], None]
    ) -> None:
        self.options, self.sources, self.manifest, self.step = options, sources, manifest, step
        readable = cache(can_decode)
        self.names = plan_names(sources, readable)
        options.mask.pair(self.names, readable)
        inputs = [*(source.path for source in sources), *options.mask.list_files(sources)]
        self.outputs = Outputs(manifest.folder, inputs, manifest.is_map)
        self.summary = BatchSummary()

    def run(self) -> BatchSummary:
        """Annotate every source; raises only what no other picture would survive either."""
        frames = (frame for number, source in enumerate(self.sources) for frame in self._iter_frames(number, source))
        for group in iter_groups(frames, self.options.batch):
            for order, name in enumerate(self.options.annotators):
                self._annotate(order, name, group)
        return self.summary

    def _iter_frames(self, number: int, source: Source) -> Iterator[Frame]:
        try:
            yield from self._decode(number, source)
        except BadImage as error:
            self.outputs.release(source)
            self._refuse(source, "", error, (number, -1, -1))
        self.step()

    def _decode(self, number: int, source: Source) -> Iterator[Frame]:
        if source.problem:
            raise BadImage(source.problem, where=str(source.path), fix=source.fix)
        every, output = self.options.all_frames, self._claim(source, "")
        digest = hash_input(source.path)
        text = read_caption(source.path) if self.options.layout == "diffusers" else ""
        if not every and self._reuse_all(number, source, digest, output, text):
            return
        resolution = self.options.resolution if self.options.target is None else None
        with closing(iter_pictures(source.path, every=every, resolution=resolution)) as pictures:
            for index, (picture, many) in enumerate(pictures):
                notes = (*picture.notes, *describe_layout(self.options.layout, picture))
                self.summary.notes.extend((source.name, note) for note in notes)
                end = f".{index:04d}" if many else ""
                place = self._claim(source, end) if many else output
                yield Frame(number, index, source, digest, place, picture, end, text)

    def _claim(self, source: Source, end: str) -> str:
        """Reserve a name, and note where it is not the plain one."""
        name = self.names[source]
        place = self.outputs.claim(source, name, end)
        taken = place != (name.folder / f"{name.stem}{end}").as_posix()
        if note := "its maps bear the whole file name, as another input has its plain one" if taken else name.note:
            self.summary.notes.append((source.name, note))
        return place

    def _reuse_all(self, number: int, source: Source, digest: str, output: str, text: str) -> bool:
        entries = [self._build_entry(name, source, digest, output, text=text) for name in self.options.annotators]
        if not all(self.manifest.is_done(entry) for entry in entries):
            return False
        for order, entry in enumerate(entries):
            self._reuse(entry, (number, 0, order))
        return True

    def _reuse(self, entry: Entry, place: Position) -> None:
        self.manifest.reuse(entry, place)
        self.outputs.add(entry["output"])
        self.summary.reused += 1

    def _build_entry(
        self, name: str, source: Source, digest: str, output: str, *, end: str = "", text: str = ""
    ) -> Entry:
        """Everything that decides the bytes of a map, so that a rerun knows whether it has them already."""
        annotator, options = self.options.annotators[name], self.options
        safe, several = to_safe_name(name), len(options.annotators) > 1
        entry: Entry = {
            "input": source.name,
            "sha256": digest,
            "name": name,
            "output": build_output(options.layout, output, safe, several=several),
            "annotator": annotator.spec.id,
            "version": annotator.spec.version,
            "params": msgspec.to_builtins(annotator.defaults),
            "weights": {w.id: get_store().complete(w).sha256 for w in annotator.weights_for(annotator.defaults)},
            "resolution": options.resolution,
            "device": str(annotator.placement),
            "also": [kind for kind in ("values", "poses") if getattr(options, kind)],
            **describe_tiles(annotator.tiles),
        }
        if options.target:
            entry |= {"resolution": "pixel perfect", "size": list(options.target), "mode": options.mode}
        if options.layout != "suffix":
            entry |= {"layout": options.layout, **({"text": text} if options.layout == "diffusers" else {})}
        return entry | ({"mask": options.mask.describe(source, end)} if annotator.spec.takes_mask else {})

    def _annotate(self, order: int, name: str, frames: list[Frame]) -> None:
        todo: list[tuple[Frame, Entry, Position]] = []
        for frame in frames:
            one = (name, frame.source, frame.digest, frame.output)
            entry = self._build_entry(*one, end=frame.end, text=frame.text)
            place = (frame.number, frame.index, order)
            if self.manifest.is_done(entry):
                self._reuse(entry, place)
            else:
                todo.append((frame, entry, place))
        if todo:
            self._annotate_together(name, todo)

    def _annotate_together(self, name: str, todo: list[tuple[Frame, Entry, Position]]) -> None:
        """Run the annotator on a batch; if that fails, one by one, so that only the faulty picture is refused."""
        from ..images.mask_values import is_coverage_note

        try:
            for _, entry, _ in todo:
                self.outputs.check(entry["output"])
            frames = [frame for frame, _, _ in todo]
            masks = self._load_masks(frames) if self.options.annotators[name].spec.takes_mask else []
            result = self._run_annotator(self.options.annotators[name], frames, masks)
        except BadImage as error:
            if len(todo) == 1:
                frame, _, place = todo[0]
                self._refuse(frame.source, name, error, place)
                return
            for one in todo:
                self._annotate_together(name, [one])
            return
        shared = tuple(note for note in result.notes if not (masks and is_coverage_note(note)))
        for index, (frame, entry, place) in enumerate(todo):
            own = masks[index].notes if masks else ()
            self._write(replace(result, notes=(*own, *shared)), index, frame, entry, place)

    def _run_annotator(self, annotator: Annotator[Any], frames: list[Frame], each: list[Mask]) -> ControlMap:
        import numpy as np

        pixels = np.stack([frame.picture.pixels for frame in frames])
        masks = np.concatenate([mask.covered for mask in each]) if each else None
        target, mode = self.options.target, self.options.mode
        try:
            if target is None:
                return annotator(pixels, resolution=self.options.resolution, masks=masks)
            resolution = max(1, find_pixel_perfect(Size(*pixels.shape[1:3]), target, mode))
            return _fit_images(
                annotator(pixels, resolution=resolution, masks=masks), target, mode, annotator.spec.smooth
            )
        except MemoryError as error:
            raise BadImage("there is not enough memory for it", fix=LESS_MEMORY) from error

    def _load_masks(self, frames: list[Frame]) -> list[Mask]:
        masks = [self.options.mask.load(frame.source, frame.picture, frame.end) for frame in frames]
        there = [mask for mask in masks if mask is not None]
        if there and len(there) < len(masks):
            raise BadImage("some of these pictures have no mask")  # each is tried alone then
        return there

    def _write(self, result: ControlMap, index: int, frame: Frame, entry: Entry, place: Position) -> None:
        from ..images.writing import write_map

        folder, output = self.manifest.folder, self.manifest.folder / entry["output"]
        stem = output.name[: -len(".png")]
        files = write_map(result, index, output.parent, stem, values=self.options.values, json=self.options.poses)
        if self.options.layout == "diffusers":  # after the map, which bears the mark that both are ours
            files = (*files, write_image(frame.picture, folder / find_image(entry["output"])))
        names = [path.relative_to(folder).as_posix() for path in files]
        self.manifest.add({**entry, "status": "done", "files": names, "notes": list(result.notes)}, place)
        self.outputs.add(entry["output"])
        self.summary.written += 1
        self.summary.notes.extend((entry["output"], note) for note in result.notes)

    def _refuse(self, source: Source, name: str, error: BadImage, place: Position) -> None:
        path, reason = source.name, _describe_refusal(error, source)
        self.manifest.add({"input": path, "name": name, "status": "refused", "reason": reason}, place)
        self.summary.refused.append((path, reason))


def _describe_refusal(error: BadImage, source: Source) -> str:
    """Reason without the input's own name, which is printed beside it."""
    own = error.where in ("", str(source.path))
    return str(BadImage(error.what, where="" if own else error.where, fix=error.fix))


def _fit_images(result: ControlMap, target: Size, mode: FitMode, smooth: bool) -> ControlMap:
    """Fit the pictures of a map; raw values and poses keep their size."""
    import numpy as np

    from ..images.fit_map import fit_map

    images = np.stack([fit_map(image, target, mode, smooth=smooth) for image in result.images])
    return replace(result, images=images, info={**result.info, "size": list(target), "mode": mode})
