"""Class pictures that keep a model from forgetting (DreamBooth's prior preservation), drawn by the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ....core.batch.inputs import SUFFIXES
from ....core.batch.walk import walk_folder
from ....core.errors import BadImage
from ....core.files import atomic_write
from ....core.images.reading import read_pictures
from ....core.images.writing import encode_png
from ...generate import generate_pictures
from ...request import Request
from ...runs.setting import Setting

if TYPE_CHECKING:
    from pathlib import Path


def fill_folder(folder: Path, count: int, request: Request, setting: Setting) -> int:
    """Draw pictures until a folder holds so many that can be read, and give how many were drawn.

    Finished ones stay when it is stopped. request: of one picture; its seed counts up by the pictures that are there.
    Raises as `generate_pictures`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in walk_folder(folder, recursive=True).files if path.suffix.lower() in SUFFIXES]
    there, names = [path for path in files if _can_be_read(path)], {path.name for path in files}
    most = count + len(files)  # names of broken files are taken, too
    seeds = [seed for seed in range(request.seed, request.seed + most) if _name(seed) not in names]
    drawn = 0
    for seed in seeds[: max(0, count - len(there))]:
        for result in generate_pictures(replace(request, seed=seed, count=1), setting):
            atomic_write(folder / _name(seed), encode_png(result.pixels, {}))
            drawn += 1
    return drawn


def _can_be_read(path: Path) -> bool:
    try:
        read_pictures(path)
    except BadImage:
        return False
    return True


def _name(seed: int) -> str:
    return f"class-{seed:06}.png"
