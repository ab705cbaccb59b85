"""Which file is the mask of which picture of a training set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.batch.inputs import SUFFIXES
from ....core.batch.mask_pairing import ENDINGS
from ....core.batch.walk import walk_folder
from ....core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Iterable

BESIDE = "beside"
"""In place of a folder: masks stand beside their pictures."""


def pair_masks(pictures: list[Path]) -> dict[Path, Path]:
    """Picture → its mask beside it: NAME_mask.png and the like."""
    by_stem: dict[Path, list[Path]] = {}
    for path in pictures:
        by_stem.setdefault(path.parent / path.stem, []).append(path)
    found: dict[Path, Path] = {}
    for path in pictures:
        ending = next((end for end in ENDINGS if path.stem.lower().endswith(end)), "")
        stem = path.stem[: len(path.stem) - len(ending)]
        for owner in by_stem.get(path.parent / stem, []) if ending and stem else ():
            found.setdefault(owner, path)
    return found


class MaskFolder:
    """A folder of masks: named as their pictures, or NAME_mask.png and the like, in the same folders or all in one."""

    def __init__(self, folder: Path, pictures: Iterable[Path]) -> None:
        """pictures: below the training set's folder. Raises BadParameter where folder is none."""
        if not folder.is_dir():
            raise BadParameter("is no folder", where=str(folder), fix=f'name the folder of the masks, or "{BESIDE}"')
        self._counts = Counter(path.stem for path in pictures)
        self._found: dict[Path, Path] = {}
        for path in walk_folder(folder, recursive=True).files:
            if path.suffix.lower() in SUFFIXES:
                ending = next((end for end in ENDINGS if path.stem.lower().endswith(end)), "")
                place = path.relative_to(folder).parent / path.stem[: len(path.stem) - len(ending)]
                self._found.setdefault(place, path)

    def find(self, picture: Path) -> Path | None:
        """Mask of a picture, by its path in the training set; one at the top serves a name that comes once."""
        exact = self._found.get(picture.with_suffix(""))
        return exact or (self._found.get(Path(picture.stem)) if self._counts[picture.stem] == 1 else None)
