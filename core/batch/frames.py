"""Decoded pictures of a run, and batches of consecutive pictures of one size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ..errors import BadImage
from ..files import hash_file

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from ..images.reading import Picture
    from .inputs import Source


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    output: path of its maps below the output folder, without annotator's name and suffix. end: what a frame of several
    adds to the name. text: caption, for layouts that take one.
    """

    number: int
    index: int
    source: Source
    digest: str
    output: str
    picture: Picture
    end: str = ""
    text: str = ""


def can_decode(path: Path) -> bool:
    """Whether a file is a picture that can be read."""
    from ..images.reading import read_pictures

    try:
        read_pictures(path)
    except BadImage:
        return False
    return True


def iter_pictures(path: Path, *, every: bool, resolution: int | None = None) -> Generator[tuple[Picture, bool]]:
    """Pictures of a file, and whether there are several. resolution: of their maps, where known. Raises BadImage."""
    from ..images.reading import iter_frames, read_pictures

    if not every:
        yield read_pictures(path, resolution=resolution)[0], False
        return
    source = iter(iter_frames(path, resolution))
    waiting, following = next(source, None), next(source, None)
    many = following is not None
    while waiting is not None:
        yield waiting, many
        waiting, following = following, next(source, None)


def hash_input(path: Path) -> str:
    """SHA-256 of an input file. Raises BadImage."""
    try:
        if path.exists() and not path.is_file():
            raise BadImage("this is not a regular file", where=str(path), fix="name a picture file")
        return hash_file(path)
    except FileNotFoundError as error:
        raise BadImage("there is no such file", where=str(path), fix="check the name") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else ""
        raise BadImage(f"cannot be read ({reason or error})", where=str(path)) from error


def iter_groups(frames: Iterable[Frame], most: int) -> Iterator[list[Frame]]:
    """Batches of consecutive pictures of one size."""
    for _, same in groupby(frames, key=lambda frame: frame.picture.pixels.shape):
        group: list[Frame] = []
        for frame in same:
            group.append(frame)
            if len(group) == most:
                yield group
                group = []
        if group:
            yield group
