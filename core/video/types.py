"""Frames of clips, and their maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..annotator import ControlMap
    from ..images.types import Pixels


@dataclass(frozen=True)
class ClipFrame:
    """One frame. number: from 0 in order of presentation, or that of its name in a folder. time: in seconds.

    name: stem of its file, empty in a video. pixels: None where it cannot be read, for the reason in problem. notes:
    what the user should know of how it was read.
    """

    number: int
    time: Fraction
    name: str = ""
    pixels: Pixels | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before its frames are read.

    rate: frames in a second on average. count: of frames, 0 where it is not known. time_base: seconds of one tick of
    the time stamps. notes: what the user should know.
    """

    rate: Fraction
    count: int = 0
    time_base: Fraction = Fraction(1, 1000)
    notes: tuple[str, ...] = ()


class Clip:
    """A clip. files: what it is read from. late_notes: what was found while its frames were read."""

    path: Path
    files: tuple[Path, ...]
    late_notes: tuple[str, ...] = ()

    def read_info(self) -> ClipInfo:
        """Facts of the clip. Raises BadImage, MissingExtra."""
        raise NotImplementedError

    def read_frames(self, resolution: int | None = None) -> Iterator[ClipFrame]:
        """Frames in order, one at a time; resolution: of their maps. Raises BadImage where nothing can be read."""
        raise NotImplementedError


@dataclass(frozen=True)
class FrameMap:
    """The map of one frame. frame: with its pixels. control_map: a batch of one."""

    frame: ClipFrame
    control_map: ControlMap

    @property
    def time(self) -> float:
        """Time of the frame in seconds."""
        return float(self.frame.time)

    @property
    def pixels(self) -> Pixels:
        """Picture of the frame, at its own size."""
        if self.frame.pixels is None:
            raise ValueError(f"frame {self.frame.number} has no pixels")
        return self.frame.pixels

    def replace_map(self, **parts: Any) -> FrameMap:
        """The same frame with other parts of its map."""
        return replace(self, control_map=replace(self.control_map, **parts))
