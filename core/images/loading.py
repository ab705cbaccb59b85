"""Decodes frames so that missing data are noticed, whatever the decoder does about them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image as Pil

from ..errors import BadImage
from .cost import check_map_size, check_picture_memory
from .formats.bmp_codes import check_bmp_codes
from .formats.fax_strips import check_fax_strips
from .formats.gif_codes import check_gif_pixels
from .formats.jpeg_decoding import load_jpeg
from .formats.jpeg_scans import LOSSLESS, MAX_FILE, JpegScans, check_jpeg, read_jpeg
from .formats.png_rows import check_png_rows
from .formats.tiff_tags import check_strips, find_strips
from .geometry import Size
from .headers import AGAIN, PngHeader, check_size

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Image


def check_frame(image: Image, structure: PngHeader | JpegScans | None, resolution: int | None, *, where: str) -> None:
    """Refuse an open frame by its size and structure, before it is decoded. Raises BadImage."""
    size = Size(image.height, image.width)
    check_size(size, where=where)
    check_map_size(size, resolution, where=where)
    if image.format == "TIFF":
        check_strips(getattr(image, "tag_v2", None), where=where)
    scans = structure if isinstance(structure, JpegScans) else None
    deep = isinstance(structure, PngHeader) and structure.bits == 16 and structure.colour in (2, 6)
    check_picture_memory(image, scans, deep=deep, where=where)


def load_frame(file: BinaryIO, image: Image, structure: PngHeader | JpegScans | None, *, where: str) -> None:
    """Decode the current frame of an open picture. Raises BadImage where its data end early, or what Pillow raises."""
    opened: Any = image
    tiles = list(getattr(opened, "tile", ()))
    if image.format in ("JPEG", "MPO") and len(tiles) == 1:
        data = read_jpeg(file, tiles[0][2])
        scans = structure if isinstance(structure, JpegScans) and not tiles[0][2] else check_jpeg(data, where=where)
        load_jpeg(image, data, scans, where=where)
        return
    if image.format == "TIFF":
        check_fax_strips(file, image, where=where)
    if image.format == "TIFF" and opened.tag_v2.get(259) == 7:
        _check_jpeg_strips(file, opened, where)
    if image.format == "BMP":
        check_bmp_codes(file, image, where=where)
    image.load()
    if isinstance(structure, PngHeader):
        check_png_rows(file, image, structure, where=where)
    elif image.format == "GIF" and tiles:
        check_gif_pixels(file, image, tiles[0], where=where)


def _check_jpeg_strips(file: BinaryIO, image: Any, where: str) -> None:
    """Decode the JPEG strips or tiles of a TIFF once more, since its decoder fills what is missing. Raises BadImage."""
    tags, place = image.tag_v2, file.tell()
    tiled, tables = 322 in tags, bytes(tags.get(347, b""))
    if tables and not (tables.startswith(b"\xff\xd8") and b"\xff\xd9" in tables):
        raise BadImage("the TIFF is damaged: its JPEG tables are not whole", where=where, fix=AGAIN)
    rows = int(tags.get(323 if tiled else 278, image.height))
    for number, (offset, length) in enumerate(zip(*find_strips(tags), strict=False)):
        file.seek(offset)
        data = file.read(min(int(length), MAX_FILE))
        data = tables[: tables.rindex(b"\xff\xd9")] + data[2:] if tables else data
        scans = check_jpeg(data, where=where)
        wanted = rows if tiled else min(rows, image.height - number % -(-image.height // rows) * rows)
        if scans.size.height < wanted:
            what = f"the TIFF is damaged: a strip has {scans.size.height} of {wanted} rows"
            raise BadImage(what, where=where, fix=AGAIN)
        _check_jpeg_data(data, scans, where)
    file.seek(place)


def _check_jpeg_data(data: bytes, scans: JpegScans, where: str) -> None:
    """Decode one strip. Pillow opens neither lossless ones nor some numbers of components and bits; libtiff does."""
    try:
        strip = Pil.open(io.BytesIO(data), formats=["JPEG"])
    except Pil.UnidentifiedImageError:
        return
    with strip:
        if scans.frame not in LOSSLESS:
            load_jpeg(strip, data, scans, where=where)
