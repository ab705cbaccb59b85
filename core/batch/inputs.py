"""Which files a user means: paths, globs and folders, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadParameter
from ..images.marks import has_mark
from ..images.opening import URL
from ..images.videos import VIDEO_SUFFIXES, suggest_frames
from .globs import MAGIC, expand_glob, find_base
from .walk import SUB_FOLDER, Walk, find_real_path, walk_folder

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".apng", ".mpo")
) | {".heic", ".heif", ".hif", ".jxl"}
"""What is taken from a folder; a file named outright is tried whatever its name."""
OTHER, NO_ENDING, VIDEO, MAP, MASK = "other format", "no ending", "video", "map of this project", "mask"
"""Reasons why a file of a folder is no input, besides those of `walk`."""


class Source(msgspec.Struct, frozen=True):
    """An input file, and where below the output folder its maps go.

    place: where it lies below the folder, or below the fixed part of the glob, that it was found by. problem: why it is
    refused without a look, with the next step in fix. text: what the user wrote, where that is no path.
    """

    path: Path
    folder: Path = Path()
    place: Path = Path()
    problem: str = ""
    fix: str = ""
    text: str = ""

    @property
    def name(self) -> str:
        """The input as it is shown and recorded."""
        return self.text or self.path.as_posix()


class PassedOver(msgspec.Struct, frozen=True):
    """What one argument stands for and is no input. counts: reason → number. endings: of files in other formats."""

    argument: str
    counts: dict[str, int]
    endings: dict[str, int]

    def describe(self, without: str = "") -> str:
        """Counts in words: ``2 other format (.exr, .psd), 1 hidden``; without one of the reasons."""
        endings = f" ({', '.join(self.endings)})" if self.endings else ""
        counts = {reason: count for reason, count in self.counts.items() if reason != without}
        return ", ".join(f"{n} {reason}{endings if reason == OTHER else ''}" for reason, n in counts.items())

    def to_entry(self) -> dict[str, Any] | None:
        """Entry of the manifest, on files only; None when there is nothing to record."""
        counts = {reason: count for reason, count in self.counts.items() if reason != SUB_FOLDER}
        endings = {"endings": self.endings} if self.endings else {}
        return {"input": self.argument, "counts": counts, **endings} if counts else None


class Inputs(msgspec.Struct, frozen=True):
    """Files in the order given. left_out: how many maps of earlier runs were not taken as inputs."""

    sources: list[Source]
    left_out: int = 0
    passed: list[PassedOver] = []


class Finder:
    """Finds the files of inputs; see `expand_inputs`."""

    def __init__(self, *, recursive: bool, is_map: Callable[[Path], bool], origins: dict[Path, Path]) -> None:
        self.recursive, self.is_map, self.origins = recursive, is_map, origins
        self.found: dict[str, Source] = {}
        self.passed: list[PassedOver] = []
        self.left_out = 0
        self.stems = set[str]()

    def add(self, text: str, names: set[str]) -> None:
        """Add what one argument stands for. names: absolute paths of all arguments."""
        if URL.match(text):
            fix = "save the picture first, then name the file"
            self._keep(Source(Path(text), problem="this is a URL, and nothing is downloaded", fix=fix, text=text), text)
        elif os.path.isdir(text):  # noqa: PTH112 - never raises
            self._add_folder(text)
        elif os.path.lexists(text) or not MAGIC.search(text):
            self._add_outright(Path(text), names)
        else:
            self._add_matches(text)

    def _add_outright(self, path: Path, names: set[str]) -> None:
        """A map that is named outright is left out only beside its own input, as when a shell expands ``*.png``."""
        place = find_real_path(path)
        known = place in self.origins and _absolute(self.origins[place]) in names
        if known or (_may_be_made_of(path, names, self.stems) and has_mark(path)):
            self.left_out += 1
        else:
            self._keep(Source(path), path)

    def _add_folder(self, text: str) -> None:
        folder = Path(text)
        try:
            walk = walk_folder(folder, recursive=self.recursive)
        except OSError as error:
            self._keep(Source(folder, problem=f"the folder cannot be read ({error.strerror or error})"), text)
            return
        pictures = [path for path in walk.files if path.suffix.lower() in SUFFIXES]
        for path in walk.files:
            if path.suffix.lower() not in SUFFIXES and not self.is_map(path):
                walk.passed[reason := _explain_format(path)] += 1
                walk.endings.update([path.suffix.lower()] if reason == OTHER else [])
        places = [path.parent.relative_to(folder) for path in pictures]
        sources = [Source(path, place, place) for path, place in zip(pictures, places, strict=True)]
        self._add_found(text, sources, walk, "the folder holds no picture")

    def _add_matches(self, text: str) -> None:
        walk, base = expand_glob(text), find_base(text)
        sources = [Source(path, place=path.parent.relative_to(base)) for path in walk.files]
        self._add_found(text, sources, walk, "no file matches")

    def _add_found(self, text: str, sources: list[Source], walk: Walk, nothing: str) -> None:
        """Take what is no map; maps made elsewhere are taken where there is nothing else."""
        own = [source for source in sources if not self.is_map(source.path)]
        taken = [source for source in own if not has_mark(source.path)] or own
        self.left_out += len(sources) - len(taken)
        walk.passed[MAP] = len(own) - len(taken)
        for source in taken:
            self._keep(source, source.path)
        passed = PassedOver(text, dict(sorted((+walk.passed).items())), dict(sorted(walk.endings.items())))
        if passed.counts:
            self.passed.append(passed)
        if not taken:
            maps = f" besides {len(sources)} maps of an earlier run" if sources else ""
            besides = f" ({passed.describe()} passed over)" if passed.counts else ""
            self._keep(Source(Path(text), problem=f"{nothing}{maps}{besides}", fix=_suggest(walk)), text)

    def _keep(self, source: Source, path: str | Path) -> None:
        self.found.setdefault(_absolute(path), source)


def expand_inputs(
    inputs: tuple[str, ...], *, recursive: bool, is_map: Callable[[Path], bool], origins: dict[Path, Path]
) -> Inputs:
    """Find the files of inputs; folders and globs sorted.

    is_map: whether a file was written by us into this output folder; such files are not taken from folders and globs.
    Nor are maps that other runs left elsewhere, known by their mark, where there are other pictures besides them.
    origins: maps of earlier runs → their inputs. What matches nothing stays in the list, so that it is reported as
    refused. Raises BadParameter for an empty name.
    """
    if not all(inputs):
        raise BadParameter("the name of an input is empty", fix="name files, folders or globs")
    names = {_absolute(text) for text in inputs}
    finder = Finder(recursive=recursive, is_map=is_map, origins=origins)
    finder.stems = _list_stems(names)
    for text in inputs:
        finder.add(text, names)
    return Inputs(list(finder.found.values()), finder.left_out, finder.passed)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay what they are


def _list_stems(names: Iterable[str]) -> set[str]:
    return {str(Path(name).with_suffix("")) for name in names}


def _may_be_made_of(path: Path, names: set[str], stems: set[str]) -> bool:
    """Whether a file has the name of a map beside its own picture, which is among names: ``a.canny.png``."""
    own = Path(_absolute(path))
    starts = [str(own.with_name(own.name[:at])) for at, mark in enumerate(own.stem) if mark == "." and at]
    return any(start in names or start in stems for start in starts)


def _explain_format(path: Path) -> str:
    ending = path.suffix.lower()
    return VIDEO if ending in VIDEO_SUFFIXES else OTHER if ending else NO_ENDING


def _suggest(walk: Walk) -> str:
    """Next step where a folder holds no picture."""
    if walk.passed[SUB_FOLDER]:
        return "give --recursive to descend into its folders"
    video = next((path for path in walk.files if path.suffix.lower() in VIDEO_SUFFIXES), None)
    return suggest_frames(str(video)) if video else ""
