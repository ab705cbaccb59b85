"""Picture files to open Pillow pictures: what is refused before decoding, and faults of decoders as BadImage."""

from __future__ import annotations

import importlib
import re
import stat
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import BadImage
from ..regular_files import open_regular_file
from .cost import DEFAULT_PIXELS, check_map_size, check_memory, find_bytes_per_pixel
from .formats.avif_items import check_avif
from .formats.jpeg_scans import check_jpeg, read_jpeg
from .formats.plugins import open_heif, open_jxl
from .formats.tiff_kinds import is_misread
from .formats.tiff_tags import check_tiff
from .headers import AGAIN, check_png, check_size, describe_unknown, find_pixel_limit, read_webp_size
from .videos import is_video, suggest_frames

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import BinaryIO

    from PIL.Image import Image

    from .formats.jpeg_scans import JpegScans
    from .headers import PngHeader

_MODULES = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "AVIF": "AvifImagePlugin",
}
PLUGINS = {"HEIF": open_heif, "JXL": open_jxl}
_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files; seen in the poison corpus and by mutating valid files."""
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,3}[^/]|data:[a-z]+/")
"""How an address begins, also with its slashes joined as in a path."""
_SMALLER = "make the picture smaller first"
_LOCK = threading.RLock()
"""`warnings.catch_warnings` is not safe between threads. Held while headers are read, never while pixels are."""


@contextmanager
def open_file(path: Path, where: str) -> Generator[BinaryIO]:
    """Open a regular file. Raises BadImage."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "this is a folder, not a picture" if stat.S_ISDIR(mode) else "this is not a regular file"
            raise BadImage(what, where=where, fix="name a picture file")
        file = open_regular_file(path)
    except FileNotFoundError as error:
        if URL.match(where):
            fix = "save the picture first, then name the file"
            raise BadImage("this is a URL, and nothing is downloaded", where=where, fix=fix) from error
        raise BadImage("there is no such file", where=where, fix="check the name") from error
    except PermissionError as error:
        raise BadImage("the file may not be read", where=where, fix="give yourself permission to read it") from error
    except (OSError, ValueError) as error:
        raise BadImage(
            f"the file cannot be opened ({error})", where=where, fix="check the name and the disk"
        ) from error
    with file:
        yield file


@contextmanager
def _allow_pixels() -> Generator[None]:
    """Raise Pillow's own limit for a moment where the user's variable allows more than both; held under the lock."""
    from PIL import Image as Pil

    before, limit = Pil.MAX_IMAGE_PIXELS, find_pixel_limit()
    if before is None or limit <= max(2 * before, DEFAULT_PIXELS):
        yield
        return
    Pil.MAX_IMAGE_PIXELS = limit
    try:
        yield
    finally:
        Pil.MAX_IMAGE_PIXELS = before


@contextmanager
def report_faults(where: str, notes: list[str]) -> Generator[None]:
    """Turn what readers of headers raise into BadImage, and their warnings into notes; one thread at a time."""
    from PIL.Image import DecompressionBombWarning

    with _LOCK, _allow_pixels(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with report_decoder_faults(where):
            yield
    quiet = (DecompressionBombWarning, DeprecationWarning, ResourceWarning)
    notes.extend(str(one.message).strip() for one in caught if not issubclass(one.category, quiet))


@contextmanager
def report_decoder_faults(where: str) -> Generator[None]:
    """Turn what decoders raise into BadImage."""
    from PIL.Image import DecompressionBombError

    try:
        yield
    except DecompressionBombError as error:
        raise BadImage(f"Pillow refuses its size: {str(error).rstrip('.')}", where=where, fix=_SMALLER) from error
    except MemoryError as error:
        raise BadImage("not enough memory to decode it", where=where, fix=_SMALLER) from error
    except _FAULTS as error:
        said = " ".join(str(error).split()) or type(error).__name__
        if said.lower().startswith(("unsupported", "unknown")):
            what = f"this kind of picture is not read here, or it is damaged ({said})"
            raise BadImage(what, where=where, fix="save it as PNG") from error
        if "too large" in said.lower():
            what = f"a text or profile in it unpacks to far more than a picture needs ({said})"
            raise BadImage(what, where=where, fix="save the picture again without metadata") from error
        raise BadImage(f"the picture is damaged or cut off ({said})", where=where, fix=AGAIN) from error


def check_file(
    file: BinaryIO, head: bytes, kind: str, where: str, resolution: int | None = None
) -> PngHeader | JpegScans | None:
    """Everything that can be refused without a decoder. resolution: of the map that is wanted, None for none."""
    if not kind:
        if is_video(head, where):
            raise BadImage("this is a video, not a picture", where=where, fix=suggest_frames(where))
        raise BadImage(describe_unknown(head), where=where, fix="give a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF file")
    if kind == "WEBP" and (size := read_webp_size(head)) is not None:
        check_size(size, where=where)
        check_map_size(size, resolution, where=where)
        check_memory(size, find_bytes_per_pixel(kind), where=where)
    structure = None
    if kind == "PNG":
        structure = check_png(file, where=where)
    elif kind == "JPEG":
        structure = check_jpeg(read_jpeg(file), where=where)
    elif kind == "TIFF":
        check_tiff(file, where=where)
    elif kind == "AVIF":
        check_avif(file, where=where)
    file.seek(0)
    return structure


def open_picture(file: BinaryIO, kind: str, notes: list[str], where: str, resolution: int | None) -> Image | None:
    """Open a picture as `open_image` does; plug-ins decode while they open, so that nobody waits for them."""
    if kind in PLUGINS:
        with report_decoder_faults(where):
            return PLUGINS[kind](file, where, resolution)
    with report_faults(where, notes):
        return open_image(file, kind, where)


def open_image(file: BinaryIO, kind: str, where: str) -> Image | None:
    """Open with Pillow; None for a TIFF that Pillow does not know, or misreads, but OpenCV may know."""
    from PIL import Image as Pil
    from PIL import UnidentifiedImageError

    if not _has_plugin(kind):
        fix = "pip install 'pillow>=11.3', or save the picture as PNG"
        raise BadImage(f"this Pillow ({Pil.__version__}) does not read {kind}", where=where, fix=fix)  # type: ignore[attr-defined]
    if kind == "TIFF" and is_misread(file, where=where):
        return None
    file.seek(0)
    allowed = ("JPEG", "MPO") if kind == "JPEG" else (kind,)
    try:
        return Pil.open(file, formats=[name for name in allowed if name in Pil.OPEN])
    except UnidentifiedImageError as error:
        if kind == "TIFF":
            return None
        raise BadImage(
            f"the {kind} file is damaged or cut off: its header makes no sense", where=where, fix=AGAIN
        ) from error


def _has_plugin(kind: str) -> bool:
    from PIL import Image as Pil

    try:
        importlib.import_module(f"PIL.{_MODULES[kind]}")
        if kind == "JPEG":
            importlib.import_module("PIL.MpoImagePlugin")
    except ImportError:
        return kind in Pil.OPEN
    return kind in Pil.OPEN
