"""Which file is the mask of which picture of a training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....core.batch.inputs import SUFFIXES
from ....core.batch.mask_pairing import ENDINGS
from ....core.batch.walk import walk_folder
from ....core.errors import BadParameter

if TYPE_CHECKING:
    from pathlib import Path

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


def list_masks(folder: Path) -> dict[str, Path]:
    """Stem of a picture → mask in a folder. Raises BadParameter."""
    if not folder.is_dir():
        raise BadParameter("is no folder", where=str(folder), fix=f'name the folder of the masks, or "{BESIDE}"')
    found: dict[str, Path] = {}
    for path in walk_folder(folder, recursive=True).files:
        if path.suffix.lower() in SUFFIXES:
            ending = next((end for end in ENDINGS if path.stem.lower().endswith(end)), "")
            found.setdefault(path.stem[: len(path.stem) - len(ending)], path)
    return found
