"""Kinds of TIFFs that one of the decoders takes for something else without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import BadImage
from .tiff_tags import find_order, read_tags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

SIMPLER = "save it as PNG or 8-bit TIFF"
UNKNOWN = "this kind of TIFF is not read here"
_OPENCV = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32809, 32946, 34676, 34677}
"""Compressions that OpenCV decodes; it makes black pictures of others."""
_SIGNED, _FLOAT = 2, 3


def is_misread(file: BinaryIO, *, where: str) -> bool:
    """Whether Pillow would take numbers of a TIFF for others, and OpenCV knows better.

    Signed bytes are read without their sign, and big-endian numbers that are compressed and signed, or of 32 bit, are
    turned round twice. Raises BadImage for planes of 16 bit, which neither reads.
    """
    tags = read_tags(file)
    bits, form, raw = max(tags.get(258, (1,))), tags.get(339, (1,))[0], tags.get(259, (1,))[0] == 1
    if is_planar(tags) and bits == 16 and raw:
        raise BadImage(f"{UNKNOWN}: its colours lie in planes of 16 bits", where=where, fix=SIMPLER)
    if form == _SIGNED and bits == 8:
        return True
    return find_order(file) == ">" and not raw and (bits == 32 or (form == _SIGNED and bits == 16))


def check_opencv(tags: Mapping[int, tuple[int, ...]], *, where: str) -> None:
    """Refuse what OpenCV would decode to something else. Raises BadImage."""
    bits = max(tags.get(258, (1,)))
    if is_planar(tags):
        raise BadImage(f"{UNKNOWN}: its colours lie in planes of {bits} bits", where=where, fix=SIMPLER)
    if (compression := tags.get(259, (1,))[0]) not in _OPENCV:
        raise BadImage(f"{UNKNOWN}: its data are compressed by method {compression}", where=where, fix=SIMPLER)


def is_planar(tags: Mapping[int, tuple[int, ...]]) -> bool:
    """Whether a picture of several channels has each of them in strips of its own."""
    return tags.get(284, (1,))[0] == 2 and tags.get(277, (1,))[0] > 1
