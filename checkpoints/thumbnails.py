"""Pictures that models show themselves with: ``modelspec.thumbnail``, a data URL in a file's metadata."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import BadImage, BadParameter, WriteFailed
from ..core.files import atomic_write, hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "modelspec.thumbnail"
_LONGEST = 1 << 26
"""Characters of a data URL that is read."""


class Thumbnail(NamedTuple):
    """The picture's own file. format: as endings of names have it."""

    content: bytes
    format: str
    width: int
    height: int


def read_thumbnail(metadata: Mapping[str, str]) -> Thumbnail | None:
    """The picture of a model; None for a model without. Raises BadImage for what is no picture."""
    from ..core.images.headers import detect_format
    from ..core.images.reading import decode_file

    if (text := metadata.get(KEY)) is None:
        return None
    head, comma, data = text.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")) or len(text) > _LONGEST:
        raise BadImage("is no picture in a data URL", where=KEY, fix="write data:image/png;base64, and the picture")
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage(f"is not encoded in base64 ({error})", where=KEY, fix="encode the picture anew") from error
    height, width = decode_file(content, KEY).pixels.shape[:2]
    return Thumbnail(content, detect_format(content[:64]).lower(), width, height)


def describe_thumbnail(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Format, size in pixels and bytes of the picture, or what is wrong with it; None for a model without."""
    try:
        found = read_thumbnail(metadata)
    except BadImage as error:
        return {"problem": error.what}
    if found is None:
        return None
    return {"format": found.format, "width": found.width, "height": found.height, "bytes": len(found.content)}


def write_thumbnail(metadata: Mapping[str, str], place: Path, name: str) -> Path | None:
    """Write the picture's own file; None for a model without. place: of the file, or a folder for a file of that name.

    Raises BadImage, BadParameter for an ending that belongs to another format, WriteFailed, also where the folder has
    another file of that name.
    """
    found = read_thumbnail(metadata)
    if found is None:
        return None
    if place.is_dir() or not place.suffix:
        target = place / f"{name}.{found.format}"
        if target.exists() and hash_file(target) != hashlib.sha256(found.content).hexdigest():
            what = "is there already with another content, and stays as it is"
            raise WriteFailed(what, where=str(target), fix="name a file or another folder with --thumbnail")
        return atomic_write(target, found.content)
    ending = place.suffix[1:].lower()
    if {"jpg": "jpeg", "tif": "tiff"}.get(ending, ending) != found.format:
        raise BadParameter(
            f"the picture is {found.format}", where=str(place), fix=f"let the name end in .{found.format}"
        )
    return atomic_write(place, found.content)
