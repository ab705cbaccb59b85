"""Where the mask of a picture comes from: a file, a folder, another annotator, or the picture's transparency."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import BadImage
from ..files import hash_file
from .inputs import MASK, Inputs, PassedOver
from .mask_pairing import MaskFolder
from .walk import find_identity, find_real_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..annotator import Annotator
    from ..images.reading import Picture
    from ..images.types import Masks
    from .inputs import Source
    from .names import Name

TRANSPARENT_BELOW = 128
"""Alpha below this counts as to be repainted."""


class Mask(NamedTuple):
    """bool [1, H, W] at the picture's size, and what should be said about it."""

    covered: Masks
    notes: tuple[str, ...] = ()


class MaskSource:
    """given: a picture for all, a folder of masks, an annotator, or None for transparency."""

    def __init__(self, given: Path | Annotator[Any] | None = None) -> None:
        self.given = given
        self._folder: MaskFolder | None = None

    def pair(self, names: Mapping[Source, Name], can_decode: Callable[[Path], bool]) -> None:
        """Look for the masks of these inputs; before anything else is asked of a folder."""
        if isinstance(self.given, Path) and self.given.is_dir():
            self._folder = MaskFolder(self.given, names, can_decode)

    def find_file(self, source: Source, frame: str = "") -> Path | None:
        """Mask file of an input, None when there is none. Raises BadImage when there may be several."""
        if not isinstance(self.given, Path):
            return None
        if self._folder is None:
            return self.given
        match = self._folder.find(source, frame)
        return match.path if match else None

    def describe(self, source: Source, frame: str = "") -> dict[str, Any]:
        """What decides the mask's bytes, for the manifest."""
        if self.given is None:
            return {"from": "transparency"}
        if isinstance(self.given, Path):
            path = self._find_quietly(source, frame)
            return {"from": path.as_posix() if path else "", "sha256": _hash(path) if path else ""}
        spec = self.given.spec
        params = msgspec.to_builtins(self.given.defaults)
        return {"from": spec.id, "version": spec.version, "params": params, "device": str(self.given.placement)}

    def load(self, source: Source, picture: Picture, frame: str = "") -> Mask | None:
        """Mask of a picture; None for a picture without transparency, when nothing else is given. Raises BadImage."""
        if self.given is None:
            return None if picture.alpha is None else find_transparent(picture)
        if not isinstance(self.given, Path):
            return _use_map(self.given(picture.pixels, resolution=0).images, picture)
        path = self.find_file(source, frame)
        if path is None:
            raise _explain_missing(self._folder, source)
        if find_identity(path) == find_identity(source.path) is not None:
            fix = "name another picture as --mask"
            raise BadImage("an input cannot be its own mask", where=str(source.path), fix=fix)
        match = self._folder.find(source, frame) if self._folder else None
        elsewhere = match.describe() if match else ()
        mask = _read_mask(path, picture)
        return Mask(mask.covered, (*elsewhere, *mask.notes))

    def list_files(self, sources: list[Source]) -> list[Path]:
        """Mask files of these inputs."""
        return [path for source in sources if (path := self._find_quietly(source))]

    def _find_quietly(self, source: Source, frame: str = "") -> Path | None:
        try:
            return self.find_file(source, frame)
        except BadImage:
            return None  # loading it tells the reason


def drop_masks(inputs: Inputs, mask: MaskSource) -> Inputs:
    """Leave out inputs that are masks of others, and what lies in a folder of masks inside a folder of inputs.

    mask: paired with these inputs.
    """
    if not isinstance(mask.given, Path):
        return inputs
    users: dict[object, list[Source]] = {}
    for source in inputs.sources:
        if not source.problem and (path := mask.list_files([source])):
            users.setdefault(find_identity(path[0]), []).append(source)
    inner = find_real_path(mask.given) if mask.given.is_dir() else None
    kept = [
        source
        for source in inputs.sources
        if not any(user != source for user in users.get(find_identity(source.path) or "", ()))
        and not (inner and inner in find_real_path(source.path).parents and inner not in _list_roots(source))
    ]
    count = len(inputs.sources) - len(kept)
    if not (count and kept):
        return inputs
    folder = mask.given.as_posix()
    same = next((one for one in inputs.passed if one.argument == folder), PassedOver(folder, {}, {}))
    others = [one for one in inputs.passed if one is not same]
    counts = dict(sorted({**same.counts, MASK: count}.items()))
    return Inputs(kept, inputs.left_out, [*others, msgspec.structs.replace(same, counts=counts)])


def _list_roots(source: Source) -> list[Path]:
    """The folder that an input was found by, and those above."""
    parent = find_real_path(source.path).parent
    depth = len(source.place.parts)
    root = parent.parents[depth - 1] if depth else parent
    return [root, *root.parents]


def _explain_missing(folder: MaskFolder | None, source: Source) -> BadImage:
    return folder.explain_missing(source) if folder else BadImage("there is no mask for it", where=str(source.path))


def find_transparent(picture: Picture) -> Mask:
    """Mask of the transparent parts of a picture that has some."""
    from ..images.mask_values import COVERS_NOTHING

    assert picture.alpha is not None
    covered = picture.alpha < TRANSPARENT_BELOW
    low, high = int(picture.alpha.min()), int(picture.alpha.max())
    note = f"{COVERS_NOTHING}: its opacity ranges from {low} to {high}, and counts below {TRANSPARENT_BELOW}"
    return Mask(covered[None], () if covered.any() else (note,))


def _use_map(images: Any, picture: Picture) -> Mask:
    from ..images.convert import read_masks
    from ..images.geometry import Size

    covered, notes = read_masks(images, 1, Size(*picture.pixels.shape[:2]))
    return Mask(covered, notes)


def _read_mask(path: Path, picture: Picture) -> Mask:
    """Read a mask file and fit it to a picture. Raises BadImage."""
    from ..images.convert import find_picture_coverage
    from ..images.geometry import Size
    from ..images.mask_values import check_upright, describe_fit, describe_turn
    from ..images.reading import read_pictures
    from ..images.resize import resize_masks

    read = read_pictures(path)[0]
    mask, size = Size(*read.pixels.shape[:2]), Size(*picture.pixels.shape[:2])
    check_upright(mask, size, picture.orientation, where=str(path))
    covered, notes = find_picture_coverage(read, path)
    turned = describe_turn(mask, size, picture.orientation) if read.orientation == 1 else ""
    about = tuple(note for note in (describe_fit(mask, size), turned) if note)
    return Mask(resize_masks(covered[None], size), (*read.notes, *notes, *about))


def _hash(path: Path) -> str:
    try:
        status = path.stat()
        return _hash_cached(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return ""  # the attempt to read it tells the reason


@lru_cache(maxsize=64)
def _hash_cached(path: Path, _modified: int, _size: int) -> str:
    return hash_file(path)
