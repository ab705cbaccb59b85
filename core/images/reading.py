"""Reads picture files.

Read are PNG, JPEG, WebP, TIFF, BMP, GIF and AVIF (with Pillow 11.3 or newer), HEIC with the pillow-heif plug-in, and
JPEG XL with pillow-jxl-plugin.
Other formats of Pillow are left out on purpose: some start programs or have a history of faults.
Pillow's settings are never changed, and a host's own (`MAX_IMAGE_PIXELS`) may refuse more than ours do, unless
UNDERDRAWING_MAX_MEGAPIXELS is set to more: then that counts while a picture is read.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadImage
from .conversion import is_deep
from .decoding import Picture, decode, find_orientation, find_turns
from .deep_colour import check_deep_tiff, read_deep_colour, read_tiff
from .formats.jpeg_scans import ARITHMETIC
from .headers import AGAIN, PngHeader, detect_format
from .loading import check_frame, load_frame
from .opening import check_file, open_file, open_picture, report_decoder_faults, report_faults
from .pixels import apply_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image

    from .formats.jpeg_scans import JpegScans

SEVERAL = "the file holds several frames, the first is used (--all-frames for all)"
"""Note on a file of which one frame is read."""
__all__ = ["SEVERAL", "Picture", "decode_file", "iter_frames", "read_deep_levels", "read_pictures"]


def read_pictures(path: str | Path, all_frames: bool = False, resolution: int | None = None) -> list[Picture]:
    """Read a picture file: its first frame with a note, or all frames (see `iter_frames`, which holds one at a time).

    resolution: of the map that is wanted of it: what would be refused as a map is refused before it is decoded.
    Raises BadImage with the reason when the file is missing, unreadable, damaged, no picture, or too large; sizes and
    memory are judged by the header, before anything is decoded.
    """
    if all_frames:
        return list(iter_frames(path, resolution))
    for picture in _iter_file(Path(path), resolution, every=False):
        return [picture]
    raise BadImage("the file holds no picture", where=str(path), fix=AGAIN)


def iter_frames(path: str | Path, resolution: int | None = None) -> Iterator[Picture]:
    """Read every frame of a file, one by one, as a viewer shows them. Raises BadImage as `read_pictures`."""
    return _iter_file(Path(path), resolution, every=True)


def decode_file(content: bytes, where: str = "picture", resolution: int | None = None) -> Picture:
    """The first frame of a picture file that is in memory, as `read_pictures` reads it. Raises BadImage."""
    for picture in _iter_stream(io.BytesIO(content), where, resolution, every=False):
        return picture
    raise BadImage("the file holds no picture", where=where, fix=AGAIN)


def _iter_file(path: Path, resolution: int | None, *, every: bool) -> Iterator[Picture]:
    where = str(path)
    with open_file(path, where) as file:
        yield from _iter_stream(file, where, resolution, every=every)


def _iter_stream(file: BinaryIO, where: str, resolution: int | None, *, every: bool) -> Iterator[Picture]:
    notes: list[str] = []
    with report_decoder_faults(where):
        head = file.read(32)
        kind = detect_format(head)
        structure = check_file(file, head, kind, where, resolution)
    image = open_picture(file, kind, notes, where, resolution)
    if getattr(structure, "frame", 0) in ARITHMETIC:
        notes.append("the JPEG is arithmetic-coded: nobody can tell whether its data are whole")
    if image is not None:
        yield from _iter_pictures(file, image, structure, notes, where, resolution, every=every)
        return
    with report_faults(where, notes):
        check_deep_tiff(file, where, resolution)
    with report_decoder_faults(where):
        other = read_tiff(file, where)
    yield replace(other, notes=(*notes, *other.notes))


def _iter_pictures(
    file: BinaryIO,
    image: Image,
    structure: PngHeader | JpegScans | None,
    notes: list[str],
    where: str,
    resolution: int | None,
    *,
    every: bool,
) -> Iterator[Picture]:
    index = 0
    while True:
        about: list[str] = []
        with report_faults(where, notes):
            check_frame(image, structure, resolution, where=where)
            turns = (1, 1) if isinstance(structure, PngHeader) else find_turns(image, about)
        with report_decoder_faults(where):
            load_frame(file, image, structure, where=where)
            deep = read_deep_colour(file, image, structure) if index == 0 else None
        if isinstance(structure, PngHeader):  # their EXIF may follow the data: asking for it before would decode them
            with report_faults(where, notes):
                turns = find_turns(image, about)
        with report_decoder_faults(where):
            picture = decode(image, turns, about, deep=deep, where=where)
        deep, milliseconds = None, _find_duration(image)
        more = _find_next(image, index + 1, notes, where, every=every)
        if index == 0 and more and not every:
            notes.append(SEVERAL)
        all_notes = tuple(dict.fromkeys((*notes, *picture.notes)))
        yield replace(picture, notes=all_notes, milliseconds=milliseconds)
        if not (every and more):
            return
        index += 1


def _find_duration(image: Image) -> float:
    value: Any = image.info.get("duration", 0)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 10**9 else 0.0


def _find_next(image: Image, index: int, notes: list[str], where: str, *, every: bool) -> bool:
    """Whether there is another frame; damage behind the first one is only noted where no other is wanted."""
    try:
        with report_faults(where, notes):
            return _seek(image, index)
    except BadImage as error:
        if every:
            raise
        notes.append(f"what follows the first picture of the file was passed over: {error.what}")
        return False


def _seek(image: Image, index: int) -> bool:
    if not getattr(image, "is_animated", False):
        return False
    try:
        image.seek(index)
    except EOFError:
        return False
    return True


def decode_pillow(image: Image) -> Picture:
    """Decode the current frame of an open Pillow picture, like a file. Raises BadImage."""
    where, notes = getattr(image, "filename", "") or "picture", list[str]()
    about: list[str] = []
    with report_faults(where, notes):
        turns = find_turns(image, about)
    with report_decoder_faults(where):
        picture = decode(image, turns, about, where=where)
    return replace(picture, notes=(*notes, *picture.notes))


def read_deep_levels(source: Any) -> NDArray[Any] | None:
    """Numbers [H, W] of a grey picture of 16 or 32 bit as they are stored, upright; None for other pictures.

    source: a path or a Pillow picture. Raises BadImage.
    """
    if not isinstance(source, (str, Path)):
        return _find_levels(source)
    where, notes = str(source), list[str]()
    with open_file(Path(source), where) as file, report_decoder_faults(where):
        head = file.read(32)
        kind = detect_format(head)
        structure = check_file(file, head, kind, where)
        image = open_picture(file, kind, notes, where, None)
        if image is None or not is_deep(image):
            return None
        check_frame(image, structure, None, where=where)
        load_frame(file, image, structure, where=where)
        return _find_levels(image)


def _find_levels(image: Image) -> NDArray[Any] | None:
    import numpy as np

    if not is_deep(image):
        return None
    turn = 1 if image.format == "TIFF" else find_orientation(image)  # Pillow turns TIFFs itself while loading
    image.load()
    return np.ascontiguousarray(apply_orientation(np.asarray(image), turn))
