"""From the frames of a clip to their maps: annotated in batches, filtered over time, damaged frames in their places."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from ..images.geometry import Size, find_pixel_perfect
from .figures import blend_poses
from .filters import filter_maps
from .redrawing import PoseDrawing
from .types import ClipFrame, FrameMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..annotator import Annotator, ControlMap
    from ..images.geometry import FitMode
    from .options import Damage, TemporalOptions

_SINGLE = re.compile(r" in picture 1\b|^picture 1: |: picture 1 of the batch$")
"""What notes say of the picture that they are about, where there is one only."""
MOST_NOTES = 50
"""Most different notes of frames that are counted."""


@dataclass(frozen=True)
class MapSettings:
    """What is made of every frame. resolution: shorter side of the maps, 0 for the frames' own size.

    target: size that every map is fitted to by mode, or None. batch: frames that go through the network together.
    """

    resolution: int = 512
    target: Size | None = None
    mode: FitMode = "crop"
    batch: int = 1


@dataclass
class ClipNotes:
    """Notes on frames, counted, so that a long clip does not repeat them."""

    texts: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    left_out: int = 0

    def add(self, text: str, frame: int) -> None:
        """Count a note on a frame."""
        if text not in self.texts and len(self.texts) >= MOST_NOTES:
            self.left_out += 1
            return
        count, first = self.texts.get(text, (0, frame))
        self.texts[text] = (count + 1, first)

    def list(self) -> list[str]:
        """The notes, each once, with the frames that it is about."""
        lines = [
            f"{text} (frame {first})" if count == 1 else f"{text} ({count} frames, the first is {first})"
            for text, (count, first) in self.texts.items()
        ]
        return [*lines, *([f"{self.left_out} more notes on frames"] if self.left_out else [])]


class ClipRun:
    """One annotator on the frames of one clip."""

    def __init__(self, annotator: Annotator[Any], settings: MapSettings, options: TemporalOptions) -> None:
        self.annotator, self.settings, self.options = annotator, settings, options
        self.notes = ClipNotes()
        self._waiting: deque[ClipFrame] = deque()
        self._first_problem = ""

    def run(
        self,
        frames: Iterator[ClipFrame],
        damage: Damage,
        *,
        rate: float,
        note: Callable[[str], None],
        folder: Path | None = None,
    ) -> Iterator[tuple[ClipFrame, ControlMap]]:
        """Maps of the frames in order. rate: frames in a second. folder: for temporary files.

        A damaged frame gets the map before it (the first ones that after it; poses are filled in as other gaps), or
        none with "skip"; "stop" raises BadImage. Raises BadImage also where no frame can be read.
        """
        good = self._pick_good(frames, damage)
        maps = filter_maps(
            self._annotate(good),
            self.annotator,
            self.annotator.defaults,
            self.options,
            rate=rate,
            note=note,
            folder=folder,
        )
        last: FrameMap | None = None
        for item in maps:
            waiting = self._take_waiting(item.frame.number, damage)
            for frame in waiting:
                yield frame, self._fit(self._replace_damaged(frame, len(waiting), last, item))
            yield item.frame, self._fit(item.control_map)
            last = item
        if last is None:
            raise BadImage(f"none of its frames can be read: {self._first_problem or 'there is none'}")
        for frame in self._take_waiting(None, damage):
            yield frame, self._fit(last.control_map)

    def _pick_good(self, frames: Iterator[ClipFrame], damage: Damage) -> Iterator[ClipFrame]:
        """Frames with pixels of one size; the others wait for their place."""
        shape: tuple[int, ...] | None = None
        for frame in frames:
            problem = frame.problem
            for text in frame.notes:
                self.notes.add(text, frame.number)
            if frame.pixels is not None:
                shape = shape or frame.pixels.shape
                if frame.pixels.shape == shape:
                    yield frame
                    continue
                height, width = frame.pixels.shape[:2]
                problem = f"is {width}x{height}, the first frame is {shape[1]}x{shape[0]}"
            text = f"frame {frame.number}{f' ({frame.name})' if frame.name else ''} {problem}"
            if damage == "stop":
                raise BadImage(text, fix="choose --damaged repeat or skip to go on without it")
            self._first_problem = self._first_problem or text
            done = self._describe_repair(damage)
            self.notes.add(f"{problem}: {done}", frame.number)
            self._waiting.append(replace(frame, pixels=None))

    def _describe_repair(self, damage: Damage) -> str:
        if damage == "skip":
            return "its number is left out"
        if self.options.fill_gaps and isinstance(self.annotator, PoseDrawing):
            return "its poses are filled in where the gap is short enough, else the map before it is repeated"
        return "the map before it is repeated"

    def _take_waiting(self, before: int | None, damage: Damage) -> list[ClipFrame]:
        """Damaged frames before a number, or all, of which there are maps."""
        taken: list[ClipFrame] = []
        while self._waiting and (before is None or self._waiting[0].number < before):
            taken.append(self._waiting.popleft())
        return [] if damage == "skip" else taken

    def _replace_damaged(self, frame: ClipFrame, count: int, last: FrameMap | None, after: FrameMap) -> ControlMap:
        """The map of one of `count` damaged frames: poses between those around it where gaps so long are filled."""
        if last is None:
            return after.control_map
        before, poses = last.control_map, (last.control_map.poses, after.control_map.poses)
        if count > self.options.fill_gaps or not (poses[0] and poses[1]) or not isinstance(self.annotator, PoseDrawing):
            return before
        share = float((frame.time - last.frame.time) / (after.frame.time - last.frame.time or 1))
        pose = blend_poses(poses[0][0], poses[1][0], share)
        return replace(before, poses=(pose,), images=self.annotator.draw_poses((pose,), self.annotator.defaults))

    def _annotate(self, frames: Iterator[ClipFrame]) -> Iterator[FrameMap]:
        group: list[ClipFrame] = []
        for frame in frames:
            group.append(frame)
            if len(group) == self.settings.batch:
                yield from self._annotate_group(group)
                group = []
        if group:
            yield from self._annotate_group(group)

    def _annotate_group(self, group: list[ClipFrame]) -> Iterator[FrameMap]:
        pixels = np.stack([frame.pixels for frame in group if frame.pixels is not None])
        try:
            result = self.annotator(pixels, resolution=self._find_resolution(Size(*pixels.shape[1:3])))
        except MemoryError as error:
            raise BadImage("there is not enough memory for it", fix="choose a smaller --resolution") from error
        for text in result.notes:
            self.notes.add(_SINGLE.sub("", text) if len(group) == 1 else text, group[0].number)
        for index, frame in enumerate(group):
            yield FrameMap(frame, take_one(result, index))

    def _find_resolution(self, size: Size) -> int:
        settings = self.settings
        if settings.target is None:
            return settings.resolution
        return max(1, find_pixel_perfect(size, settings.target, settings.mode))

    def _fit(self, result: ControlMap) -> ControlMap:
        settings = self.settings
        if settings.target is None:
            return result
        from ..images.fit_map import fit_map

        image = fit_map(result.images[0], settings.target, settings.mode, smooth=self.annotator.spec.smooth)
        return replace(
            result, images=image[None], info={**result.info, "size": list(settings.target), "mode": settings.mode}
        )


def take_one(result: ControlMap, index: int) -> ControlMap:
    """One map of a batch, as a batch of one without notes."""
    return replace(
        result,
        images=result.images[index : index + 1],
        values=None if result.values is None else result.values[index : index + 1],
        poses=None if result.poses is None else result.poses[index : index + 1],
        segments=None if result.segments is None else result.segments[index : index + 1],
        notes=(),
    )
