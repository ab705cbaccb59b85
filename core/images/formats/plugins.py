"""Formats that need an optional plug-in of Pillow: HEIC (pillow-heif) and JPEG XL (pillow-jxl-plugin)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ...errors import BadImage
from ..cost import check_map_size, check_memory, find_bytes_per_pixel
from ..geometry import Size
from ..headers import AGAIN, check_size

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image

_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, by number less one."""
_WIDTHS = (9, 13, 18, 30)
"""Bits of a side, by its selector."""


def open_heif(file: BinaryIO, where: str, resolution: int | None) -> Image:
    """Open a HEIC or HEIF picture; its size is judged before it is decoded. Raises BadImage."""
    heif: Any = _import_plugin("pillow_heif", "pillow-heif", "HEIC/HEIF", where)
    opened = heif.open_heif(file, convert_hdr_to_8bit=True)
    _check_costs(Size(opened.size[1], opened.size[0]), "HEIF", where, resolution)
    return opened.to_pillow()


def open_jxl(file: BinaryIO, where: str, resolution: int | None) -> Image:
    """Open a JPEG XL picture; the plug-in decodes at once, so its size is judged before. Raises BadImage."""
    from PIL import Image as Pil

    _import_plugin("pillow_jxl", "pillow-jxl-plugin", "JPEG XL", where)
    size = read_jxl_size(file)
    if size is None:
        raise BadImage("the JPEG XL file is damaged or cut off: its header makes no sense", where=where, fix=AGAIN)
    _check_costs(size, "JXL", where, resolution)
    file.seek(0)
    return Pil.open(file, formats=["JXL"])


def _check_costs(size: Size, kind: str, where: str, resolution: int | None) -> None:
    check_size(size, where=where)
    check_map_size(size, resolution, where=where)
    check_memory(size, find_bytes_per_pixel(kind), where=where)


def _import_plugin(module: str, package: str, title: str, where: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        fix = f"pip install {package}, or save the picture as JPEG or PNG"
        raise BadImage(f"this is a {title} picture, which needs the plug-in {package}", where=where, fix=fix) from error


def read_jxl_size(file: BinaryIO) -> Size | None:
    """Size in the header of a JPEG XL codestream, bare or in its container (ISO/IEC 18181); None without one."""
    file.seek(0)
    head = file.read(16)
    if not head.startswith(b"\xff\x0a"):
        file.seek(0)
        if not _seek_codestream(file):
            return None
        head = file.read(16)
    if len(head) < 12 or not head.startswith(b"\xff\x0a"):
        return None
    return _Bits(int.from_bytes(head[2:], "little")).read_size()


def _seek_codestream(file: BinaryIO) -> bool:
    """Move to the codestream inside the boxes of a container."""
    for _ in range(64):
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8:
            return False
        if kind in (b"jxlc", b"jxlp"):
            file.seek((8 if length == 1 else 0) + (4 if kind == b"jxlp" else 0), 1)
            return True
        if length < 8:
            return False
        file.seek(length - 8, 1)
    return False


class _Bits:
    """Bits of a number, the lowest first."""

    def __init__(self, number: int) -> None:
        self.number = number

    def take(self, count: int) -> int:
        """Next bits as a number."""
        value = self.number & ((1 << count) - 1)
        self.number >>= count
        return value

    def read_size(self) -> Size:
        """Sides in pixels; the width may be given as a ratio to the height."""
        small = bool(self.take(1))
        height = self._read_side(small)
        if ratio := self.take(3):
            across, down = _RATIOS[ratio - 1]
            return Size(height, height * across // down)
        return Size(height, self._read_side(small))

    def _read_side(self, small: bool) -> int:
        return 8 * (1 + self.take(5)) if small else 1 + self.take(_WIDTHS[self.take(2)])
