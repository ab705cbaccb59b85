"""Headers of picture files, read before any decoder: format, size, and whether a PNG is complete."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadImage
from ..settings import MAX_MEGAPIXELS
from .geometry import Size

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
AGAIN = "copy or download it again"
_BLOCK = 1 << 20
MAX_CHUNKS = 4096
MAX_DATA_CHUNKS = 1 << 15
MAX_CHUNK = 64 << 20
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL ", "JXL"),
)
_FOREIGN = (
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"PK\x03\x04", "ZIP archive"),
)


class PngHeader(NamedTuple):
    """IHDR and tRNS of a PNG. bits: per channel. colour: type 0 to 6. key: bytes of tRNS, empty without one."""

    size: Size
    bits: int
    key: bytes
    colour: int = 2
    interlaced: bool = False
    animated: bool = False


def detect_format(head: bytes) -> str:
    """Format of a file by its first 32 bytes ("PNG", "JPEG", ..., "HEIF"), or an empty string."""
    if head.startswith(PNG_SIGNATURE):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in (8, 16, 20, 24, 28)}
        return "AVIF" if brands & {b"avif", b"avis"} else "HEIF" if brands & set(_HEIF_BRANDS) else ""
    return next((name for start, name in _SIGNATURES if head.startswith(start)), "")


def describe_unknown(head: bytes) -> str:
    """Say what a file that is no picture of ours seems to be, from its first bytes."""
    if not head:
        return "the file is empty (0 bytes)"
    for start, name in _FOREIGN:
        if head.startswith(start):
            return f"this is a {name} file, which is not read here"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "this is a web page, not a picture: the download was answered with HTML"
    if start.startswith((b"<svg", b"<?xml")):
        return "this is an SVG or XML file, not a picture made of pixels"
    if start.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, the picture itself was not fetched"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "this is a text file, not a picture"
    return "this is not a picture in a supported format"


def check_size(size: Size, *, where: str) -> None:
    """Raise BadImage for a picture without pixels or with more than `find_pixel_limit`."""
    said = f"the header says {size.width} x {size.height} pixels"
    if min(size) < 1:
        raise BadImage(f"{said}, there is nothing to decode", where=where, fix="export the picture again")
    if size.height * size.width > (limit := find_pixel_limit()):
        raise BadImage(
            f"{said}, more than {limit / 10**6:g} megapixels; it was not decoded",
            where=where,
            fix=f"make it smaller first, or set {MAX_MEGAPIXELS.name} to a larger number",
        )


def find_pixel_limit() -> int:
    """Pixels of the largest picture that is decoded."""
    return int(MAX_MEGAPIXELS.read() * 10**6)


def read_webp_size(head: bytes) -> Size | None:
    """Canvas of a WebP file from its first 32 bytes; None when the header is of no known kind."""
    kind = head[12:16]
    if len(head) < 30:
        return None
    if kind == b"VP8X":
        return Size(1 + int.from_bytes(head[27:30], "little"), 1 + int.from_bytes(head[24:27], "little"))
    if kind == b"VP8L":
        packed = int.from_bytes(head[21:25], "little")
        return Size(1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF))
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return Size(height & 0x3FFF, width & 0x3FFF)
    return None


def iter_png_chunks(file: BinaryIO, keep: Container[bytes], *, where: str) -> Iterator[tuple[bytes, bytes]]:
    """Walk a PNG from its first chunk to IEND, checking every checksum; yields kind and data (empty unless kept).

    Reads in blocks, so that memory stays flat. Raises BadImage where the file ends early or a checksum is wrong.
    """
    file.seek(len(PNG_SIGNATURE))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise BadImage("the PNG is cut off: it ends before its last chunk", where=where, fix=AGAIN)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind not in (b"IDAT", b"fdAT") and length > MAX_CHUNK:
            what = f"the PNG has a chunk {_decode_name(kind)} of {length} bytes; it was not decoded"
            raise BadImage(what, where=where, fix="save the picture again without metadata")
        yield kind, _read_chunk(file, kind, length, kind in keep, where)


def _read_chunk(file: BinaryIO, kind: bytes, length: int, keep: bool, where: str) -> bytes:
    check, left, kept = zlib.crc32(kind), length, bytearray()
    while left:
        block = file.read(min(left, _BLOCK))
        if not block:
            raise BadImage(f"the PNG is cut off inside {_decode_name(kind)}", where=where, fix=AGAIN)
        check, left = zlib.crc32(block, check), left - len(block)
        if keep:
            kept += block
    if file.read(4) != check.to_bytes(4, "big"):
        raise BadImage(f"the PNG is damaged: wrong checksum of {_decode_name(kind)}", where=where, fix=AGAIN)
    return bytes(kept)


def _decode_name(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")


def check_png(file: BinaryIO, *, where: str) -> PngHeader:
    """Check size and checksums of a whole PNG. Raises BadImage."""
    header, costs = PngHeader(Size(0, 0), 8, b""), _PngCosts(where)
    for index, (kind, data) in enumerate(iter_png_chunks(file, (b"IHDR", b"tRNS"), where=where)):
        if index == 0:
            if kind != b"IHDR" or len(data) != 13:
                raise BadImage("the PNG does not begin with its header", where=where, fix=AGAIN)
            width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data)
            header = PngHeader(Size(height, width), bits, b"", colour, bool(interlaced))
            check_size(header.size, where=where)
        elif kind == b"tRNS":
            header = header._replace(key=data)
        elif kind == b"acTL":
            header = header._replace(animated=True)
        costs.count(kind, header.size)
    return header


class _PngCosts:
    """Counts chunks: their number follows from the pixels, but for a few thousand."""

    def __init__(self, where: str) -> None:
        self.where, self.data, self.other = where, 0, 0

    def count(self, kind: bytes, size: Size) -> None:
        """Count one. Raises BadImage."""
        if kind in (b"IDAT", b"fdAT", b"fcTL"):
            self.data += 1
        else:
            self.other += 1
        if self.other > MAX_CHUNKS or self.data > MAX_DATA_CHUNKS + size.height * size.width // 64:
            what = f"the PNG has more than {self.data + self.other - 1} chunks; it was not decoded"
            raise BadImage(what, where=self.where, fix="save the picture again with an ordinary encoder")
