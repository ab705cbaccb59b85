"""Where the mask of a picture comes from: a file, a folder, another annotator, or the picture's transparency."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import BadImage
from ..files import hash_file

if TYPE_CHECKING:
    from ..annotator import Annotator
    from ..images.reading import Picture
    from ..images.types import Masks
    from .inputs import Source

TRANSPARENT_BELOW = 128
"""Alpha below this counts as to be repainted."""


class MaskSource:
    """given: a picture for all, a folder of pictures with the inputs' stems, an annotator, or None for transparency."""

    def __init__(self, given: Path | Annotator[Any] | None = None) -> None:
        self.given = given

    def find_file(self, source: Source) -> Path | None:
        """Mask file of an input, None when there is none."""
        if not isinstance(self.given, Path):
            return None
        if not self.given.is_dir():
            return self.given
        found = sorted(path for path in self.given.iterdir() if path.stem == source.path.stem and path.is_file())
        return found[0] if found else None

    def describe(self, source: Source) -> dict[str, Any]:
        """What decides the mask's bytes, for the manifest."""
        if self.given is None:
            return {"from": "transparency"}
        if isinstance(self.given, Path):
            path = self.find_file(source)
            return {"from": path.as_posix() if path else "", "sha256": _hash(path) if path else ""}
        spec = self.given.spec
        params = msgspec.to_builtins(self.given.defaults)
        return {"from": spec.id, "version": spec.version, "params": params, "device": str(self.given.placement)}

    def load(self, source: Source, picture: Picture) -> Masks | None:
        """Mask as bool [1, H, W] at the picture's size; None for a picture without transparency. Raises BadImage."""
        from ..images.convert import to_masks
        from ..images.geometry import Size

        size = Size(*picture.pixels.shape[:2])
        if self.given is None:
            return None if picture.alpha is None else (picture.alpha < TRANSPARENT_BELOW)[None]
        if not isinstance(self.given, Path):
            return to_masks(self.given(picture.pixels, resolution=0).images, 1, size)
        path = self.find_file(source)
        if path is None:
            fix = "add one, or leave --mask out"
            raise BadImage(
                f"there is no mask named {source.path.stem} in {self.given}", where=str(source.path), fix=fix
            )
        return to_masks(path, 1, size)


def _hash(path: Path) -> str:
    try:
        status = path.stat()
        return _hash_cached(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return ""  # the attempt to read it tells the reason


@lru_cache(maxsize=64)
def _hash_cached(path: Path, _modified: int, _size: int) -> str:
    return hash_file(path)
