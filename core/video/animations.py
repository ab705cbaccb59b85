"""Animated pictures (GIF, WebP, APNG, AVIF) and files of several pages as clips, with the times that they state."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import BadImage
from ..images.headers import PNG_SIGNATURE
from ..images.reading import SEVERAL, iter_frames, read_pictures
from ..regular_files import open_regular_file
from .types import Clip, ClipFrame, ClipInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = 1 << 16
"""Bytes in which an animated PNG says that it is one."""


class AnimationClip(Clip):
    """One file of several pictures. fallback: frames in a second where it does not say how long it shows one."""

    def __init__(self, path: Path, fallback: float) -> None:
        self.path, self.files = path, (path,)
        self.fallback = Fraction(fallback).limit_denominator(100_000)

    def read_info(self) -> ClipInfo:
        """Facts of the file, of which every frame is read once. Raises BadImage."""
        count, seconds = 0, Fraction(0)
        for picture in iter_frames(self.path):
            count, seconds = count + 1, seconds + self._find_seconds(picture.milliseconds)
        return ClipInfo((count / seconds).limit_denominator(1000), count)

    def read_frames(self, resolution: int | None = None) -> Iterator[ClipFrame]:
        """Frames; where one is damaged the file ends, since nothing behind it can be read. Raises BadImage."""
        number, time = 0, Fraction(0)
        try:
            for picture in iter_frames(self.path, resolution):
                yield ClipFrame(number, time, "", picture.pixels, notes=picture.notes)
                number, time = number + 1, time + self._find_seconds(picture.milliseconds)
        except BadImage as error:
            if number == 0:
                raise
            yield ClipFrame(number, time, problem=error.what)

    def _find_seconds(self, milliseconds: float) -> Fraction:
        return Fraction(milliseconds / 1000).limit_denominator(100_000) if milliseconds else 1 / self.fallback


def is_animation(path: Path) -> bool:
    """Whether a file can be read and holds several pictures; plain PNG and JPEG are not decoded to know it."""
    try:
        with open_regular_file(path) as file:
            head = file.read(_HEAD)
        if head.startswith(b"\xff\xd8\xff") or (head.startswith(PNG_SIGNATURE) and b"acTL" not in head):
            return False
        return SEVERAL in read_pictures(path)[0].notes
    except (BadImage, OSError):
        return False
