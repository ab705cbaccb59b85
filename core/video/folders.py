"""Folders of frames as clips: numbered pictures, in the order of their numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadImage
from ..images.reading import read_pictures
from .types import Clip, ClipFrame, ClipInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..images.types import Pixels

_NUMBER = re.compile(r"([0-9]+)([^0-9]*)$")


class Slot(NamedTuple):
    """A place in a clip. path: None where the file of that number is missing."""

    number: int
    name: str
    path: Path | None


class FolderClip(Clip):
    """Pictures of one folder. files: in any order."""

    def __init__(self, path: Path, files: Sequence[Path], rate: float) -> None:
        self.path, self.rate = path, Fraction(rate).limit_denominator(100_000)
        self.slots, self.notes = order_frames(files)
        self.files = tuple(slot.path for slot in self.slots if slot.path)

    def read_info(self) -> ClipInfo:
        """Facts of the clip; its rate is the one that was chosen."""
        return ClipInfo(self.rate, len(self.slots), 1 / self.rate, notes=self.notes)

    def read_frames(self, resolution: int | None = None) -> Iterator[ClipFrame]:
        """Frames; one that cannot be read has a problem in place of pixels."""
        for index, slot in enumerate(self.slots):
            pixels, problem, notes = _read(slot, resolution)
            yield ClipFrame(slot.number, index / self.rate, slot.name, pixels, problem, notes)


def _read(slot: Slot, resolution: int | None) -> tuple[Pixels | None, str, tuple[str, ...]]:
    """Pixels, or why there are none, and notes on how they were read."""
    if slot.path is None:
        return None, "is missing", ()
    try:
        picture = read_pictures(slot.path, resolution=resolution)[0]
    except BadImage as error:
        return None, error.what, ()
    return picture.pixels, "", picture.notes


def order_frames(files: Sequence[Path]) -> tuple[tuple[Slot, ...], tuple[str, ...]]:
    """Places of pictures in a clip, and notes: by the last number of their names; gaps between numbers are places too.

    Numbers may rise in steps (every second frame). Where a name has no number, or numbers are no count of frames (more
    gaps than frames), the order is that of the names and frames are counted from 0. Raises BadImage for two pictures of
    one number.
    """
    numbers = {path: _find_number(path) for path in files}
    if any(number is None for number in numbers.values()) or _count_series(files) > 1:
        return _order_by_name(files, "not all names end with a number")
    ordered = sorted((number, path) for path, number in numbers.items() if number is not None)
    for (number, first), (other, second) in pairwise(ordered):
        if number == other:
            what = f"{first.name} and {second.name} are both frame {number}"
            raise BadImage(what, where=str(first.parent), fix="leave one of them out")
    step = math.gcd(*(b - a for (a, _), (b, _) in pairwise(ordered))) or 1
    places = dict(ordered)
    if (ordered[-1][0] - ordered[0][0]) // step + 1 > 2 * len(ordered):
        return _order_by_name(files, "more numbers are missing than there are frames")
    whole = range(ordered[0][0], ordered[-1][0] + 1, step)
    pattern = ordered[0][1].stem
    return tuple(Slot(n, places[n].stem if n in places else _rename(pattern, n), places.get(n)) for n in whole), ()


def _find_number(path: Path) -> int | None:
    found = _NUMBER.search(path.stem)
    return int(found[1]) if found and len(found[1]) <= 15 else None


def _count_series(files: Sequence[Path]) -> int:
    """How many series of names there are: what stands before and behind the last number."""
    found = ((path, _NUMBER.search(path.stem)) for path in files)
    return len(Counter((path.stem[: match.start()], match[2]) for path, match in found if match))


def _order_by_name(files: Sequence[Path], why: str) -> tuple[tuple[Slot, ...], tuple[str, ...]]:
    ordered = sorted(files, key=lambda path: (_split_digits(path.name), path.name))
    slots = tuple(Slot(number, path.stem, path) for number, path in enumerate(ordered))
    return slots, (f"{why}: frames are in the order of their names, and counted from 0",)


def _split_digits(name: str) -> list[tuple[int, int, str]]:
    """Key by which names sort as people count: a2 before a10."""
    parts = re.findall("[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]


def _rename(stem: str, number: int) -> str:
    """Name of a missing frame, after that of another."""
    found = _NUMBER.search(stem)
    if found is None:
        return str(number)
    return f"{stem[: found.start()]}{number:0{len(found[1])}d}{found[2]}"
