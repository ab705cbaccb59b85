"""Files of this project among the pictures of a training set: maps beside their pictures, and what runs leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....core.images.marks import has_mark

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RUN, SETTINGS = ".run", "settings.json"
"""Ending of the folders of runs, and the file by which they are known."""
MAPS, RUNS = "maps beside their pictures", "files of training runs"


def find_maps(pictures: Iterable[Path]) -> set[Path]:
    """Maps that were made here of a picture in the same folder: NAME.canny.png, NAME_depth.png."""
    found = list(pictures)
    stems = {path.with_suffix("") for path in found}
    return {path for path in found if _may_be_map(path, stems) and has_mark(path)}


def _may_be_map(path: Path, stems: set[Path]) -> bool:
    cuts = [place for place, mark in enumerate(path.stem) if mark in "._" and place]
    return path.suffix.lower() == ".png" and any(path.with_name(path.stem[:place]) in stems for place in cuts)


def is_in_run(path: Path, data: Path) -> bool:
    """Whether a file below the training set belongs to a training run."""
    above = (folder for folder in path.parents if folder.suffix == RUN and folder.is_relative_to(data))
    return any((folder / SETTINGS).is_file() for folder in above)
