"""Which file of a folder is the mask of which input: by the rule that names outputs, and never by chance."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import BadImage
from ..images.marks import has_mark
from .inputs import SUFFIXES, Source
from .names import Name
from .walk import find_identity

ENDINGS = ("_mask", "-mask", ".mask")
"""What may follow a picture's name in that of its mask, in any case."""
_MOST_PARENTS = 8


class Match(NamedTuple):
    """A mask. exact: whether it lies where the rule looks first. other: one that names of folders would lead to."""

    path: Path
    exact: bool
    other: Path | None = None

    def describe(self) -> tuple[str, ...]:
        """Notes on a mask that may be another one than meant."""
        if self.other is not None:
            return (f"its mask was taken from {self.path}, and not from {self.other}",)
        return () if self.exact else (f"its mask was taken from {self.path}",)


class MaskFolder:
    """Masks of the inputs of a run, in a folder.

    A mask lies at the same relative place as the maps of its picture and has its picture's name, whole or without
    ending, alone or with one of ENDINGS before its own ending. Where there is none, it is looked for by the same names
    at the top of the folder, and below the names of the folders that the picture lies in.
    """

    def __init__(self, folder: Path, names: Mapping[Source, Name], can_decode: Callable[[Path], bool]) -> None:
        self.folder, self.names = folder, names
        self._can_decode = can_decode
        self._listed: dict[Path, list[Path]] = {}
        self._inputs = {find_identity(source.path): source for source in names}
        self._by_place = defaultdict[Path, list[Source]](list)
        for source, name in names.items():
            self._by_place[name.folder].append(source)
        self._users: dict[Path, list[tuple[Source, bool]]] | None = None

    def find(self, source: Source, frame: str = "") -> Match | None:
        """Mask of an input, or of one of its frames (the end of the name of its maps). Raises BadImage where in doubt.

        None where there is no mask.
        """
        for end in dict.fromkeys((frame, "")):
            match = self._search(source, end)
            if match is not None:
                self._check_shared(source, match)
                return match._replace(other=self._find_other(source, match, end))
        return None

    def _find_other(self, source: Source, match: Match, frame: str) -> Path | None:
        """A mask in a folder named as the picture's, beside the one at the top; none that is another picture's."""
        if not match.exact or match.path.parent != self.folder:
            return None
        found = [path for place in _list_fallbacks(source) for path in self._find_in(place, source, frame)]
        return next((path for path in found if path != match.path and path not in self._find_all_users()), None)

    def explain_missing(self, source: Source) -> BadImage:
        """Error for an input without a mask."""
        name = self.names[source]
        place = self.folder / name.folder
        what = f"there is no mask for it in {place}"
        keys = {source.path.stem, source.path.name}
        if taken := [path.name for path in self._list(name.folder) if _strip(path.stem) & keys]:
            what += f": {' and '.join(taken)} cannot be told from a picture or the mask of another one"
        fix = f"add {place / f'{name.stem}.png'} (or {name.stem}_mask.png), or leave --mask out"
        return BadImage(what, where=str(source.path), fix=fix)

    def _search(self, source: Source, frame: str) -> Match | None:
        exact = dict.fromkeys((self.names[source].folder, source.place))
        for place in exact:
            if found := self._find_in(place, source, frame):
                return Match(self._choose(source, found), exact=place == self.names[source].folder)
        elsewhere = [path for place in _list_fallbacks(source) for path in self._find_in(place, source, frame)]
        found = list(dict.fromkeys(elsewhere))
        return Match(self._choose(source, found), exact=False) if found else None

    def _choose(self, source: Source, found: list[Path]) -> Path:
        if len(found) == 1:
            return found[0]
        what = f"its mask may be {' or '.join(map(str, found))}"
        raise BadImage(what, where=str(source.path), fix="keep one of them in that folder")

    def _find_in(self, place: Path, source: Source, frame: str) -> list[Path]:
        keys = {f"{stem}{frame}" for stem in (source.path.stem, source.path.name, self.names[source].stem)}
        listed = self._list(place)
        found = [path for path in listed if _strip(path.stem) & keys and self._may_be(path, place, source, keys)]
        if found:
            return found
        starts = tuple(f"{key}." for key in keys)
        maps = [path for path in listed if path.stem.startswith(starts) and path.suffix.lower() == ".png"]
        return [path for path in maps if find_identity(path) not in self._inputs and has_mark(path)]

    def _may_be(self, path: Path, place: Path, source: Source, keys: set[str]) -> bool:
        """Whether a file with a fitting name is a mask of this input, and not of another one, and no input itself."""
        by_ending = path.stem not in keys
        owner = self._inputs.get(find_identity(path))
        if owner is not None:
            return owner != source and by_ending
        others = [other.path for other in self._by_place[place] if other != source]
        has_twin = path.name != source.path.name and any(other.name == path.name for other in others)
        return not has_twin and not (by_ending and any(other.stem == path.stem for other in others))

    def _list(self, place: Path) -> list[Path]:
        """Pictures of a folder of masks."""
        if place not in self._listed:
            try:
                every = sorted((self.folder / place).iterdir())
            except OSError:
                every = []
            self._listed[place] = [
                p for p in every if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
            ]
        return self._listed[place]

    def _check_shared(self, source: Source, match: Match) -> None:
        """Raise BadImage when another input has a better or equal claim to a mask."""
        users = self._find_all_users().get(match.path, [])
        rivals = [other for other, exact in users if other != source and (exact or not match.exact)]
        if rivals:
            what = f"{match.path} may be the mask of this picture or of {rivals[0].path}"
            fix = "name each mask as its picture, in the same folders"
            raise BadImage(what, where=str(source.path), fix=fix)

    def _find_all_users(self) -> dict[Path, list[tuple[Source, bool]]]:
        """Every mask → the inputs that it may be the mask of."""
        if self._users is None:
            self._users = self._find_users()
        return self._users

    def _find_users(self) -> dict[Path, list[tuple[Source, bool]]]:
        users = defaultdict[Path, list[tuple[Source, bool]]](list)
        for source in self.names:
            try:
                match = self._search(source, "")
            except BadImage:
                continue
            if match is not None:
                users[match.path].append((source, match.exact))
        shared = {path: found for path, found in users.items() if len(found) > 1}
        decoded = {path: [one for one in found if self._can_decode(one[0].path)] for path, found in shared.items()}
        return {**users, **decoded}


def _strip(stem: str) -> set[str]:
    """Names of pictures that the stem of a mask may mean."""
    ends = {stem[: -len(end)] for end in ENDINGS if stem.lower().endswith(end)}
    return {stem, *ends} - {""}


def _list_fallbacks(source: Source) -> Iterable[Path]:
    """The top of the folder of masks, and the names of the folders that the picture lies in, from the last on."""
    parents = Path(os.path.abspath(source.path.parent)).parts[1:]  # noqa: PTH100 - links stay what they are
    yield Path()
    for count in range(1, 1 + min(len(parents), _MOST_PARENTS)):
        yield Path(*parents[-count:])
