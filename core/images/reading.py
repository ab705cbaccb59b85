"""Picture files to arrays, or a reason why not. Imported lazily (needs numpy, Pillow and, for a few formats, OpenCV).

Read are PNG, JPEG, WebP, TIFF, BMP, GIF and AVIF (with Pillow 11.3 or newer), HEIC with the pillow-heif plug-in.
Other formats of Pillow are left out on purpose: some start programs or have a history of faults.
Pillow's settings are never changed; a host's own (`MAX_IMAGE_PIXELS`) may refuse more than ours do.
"""

from __future__ import annotations

import importlib
import stat
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from .decoding import Picture, decode, deep_to_8bit
from .geometry import Size
from .headers import AGAIN, PngHeader, check_png, check_size, describe, sniff, webp_size

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Picture", "frames", "read"]

_MODULES = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "AVIF": "AvifImagePlugin",
}
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
_SMALLER = "make the picture smaller first"
_LOCK = threading.RLock()
"""`warnings.catch_warnings` is not safe between threads."""


def read(path: str | Path, all_frames: bool = False) -> list[Picture]:
    """Read a picture file: its first frame with a note, or all frames (see `frames`, which holds one at a time).

    Raises BadImage with the reason when the file is missing, unreadable, damaged, no picture, or too large; sizes are
    judged by the header, before anything is decoded.
    """
    if all_frames:
        return list(frames(path))
    for picture in _frames(Path(path), every=False):
        return [picture]
    raise BadImage("the file holds no picture", where=str(path), fix=AGAIN)


def frames(path: str | Path) -> Iterator[Picture]:
    """Read every frame of a file, one after another, as a viewer would show them. Raises BadImage as `read`."""
    return _frames(Path(path), every=True)


def _frames(path: Path, *, every: bool) -> Iterator[Picture]:
    where = str(path)
    with _opened(path, where) as file:
        notes: list[str] = []
        with _guarded(where, notes):
            head = file.read(32)
            kind = sniff(head)
            png = _checked(file, head, kind, where)
            image = _open_image(file, kind, where)
            other = _by_opencv(file, where) if image is None else None
            deep = None if image is None else _deep_colour(file, image, png)
        if image is not None:
            yield from _each(image, deep, notes, where, every=every)
        elif other is not None:
            yield replace(other, notes=(*notes, *other.notes))


def _each(
    image: Image, deep: NDArray[np.uint16] | None, notes: list[str], where: str, *, every: bool
) -> Iterator[Picture]:
    index = 0
    while True:
        with _guarded(where, notes):
            check_size(Size(image.height, image.width), where=where)
            picture = decode(image, deep=deep if index == 0 else None, where=where)
            more = _seek(image, index + 1)
        if index == 0 and more and not every:
            notes.append("the file holds several frames, the first is used (--all-frames for all)")
        yield replace(picture, notes=tuple(dict.fromkeys((*notes, *picture.notes))))
        if not (every and more):
            return
        index += 1


def _seek(image: Image, index: int) -> bool:
    if not getattr(image, "is_animated", False):
        return False
    try:
        image.seek(index)
    except EOFError:
        return False
    return True


@contextmanager
def _opened(path: Path, where: str) -> Generator[BinaryIO]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "this is a folder, not a picture" if stat.S_ISDIR(mode) else "this is no regular file"
            raise BadImage(what, where=where, fix="name a picture file")
        file = path.open("rb")
    except FileNotFoundError as error:
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
def _guarded(where: str, notes: list[str]) -> Generator[None]:
    """Turn what decoders raise into BadImage, and their warnings into notes."""
    from PIL.Image import DecompressionBombError, DecompressionBombWarning

    with _LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except DecompressionBombError as error:
            raise BadImage(f"Pillow refuses its size: {str(error).rstrip('.')}", where=where, fix=_SMALLER) from error
        except MemoryError as error:
            raise BadImage("not enough memory to decode it", where=where, fix=_SMALLER) from error
        except _FAULTS as error:
            said = " ".join(str(error).split()) or type(error).__name__
            if "too large" in said.lower():
                what = f"a text or profile in it unpacks to far more than a picture needs ({said})"
                raise BadImage(what, where=where, fix="save the picture again without metadata") from error
            raise BadImage(f"the picture is damaged or cut off ({said})", where=where, fix=AGAIN) from error
    quiet = (DecompressionBombWarning, DeprecationWarning, ResourceWarning)
    notes.extend(str(one.message).strip() for one in caught if not issubclass(one.category, quiet))


def _checked(file: BinaryIO, head: bytes, kind: str, where: str) -> PngHeader | None:
    """Everything that can be refused without a decoder."""
    if not kind:
        raise BadImage(describe(head), where=where, fix="give a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF file")
    if kind == "WEBP" and (size := webp_size(head)) is not None:
        check_size(size, where=where)
    png = check_png(file, where=where) if kind == "PNG" else None
    if kind == "JPEG":
        _check_jpeg_end(file, where)
    file.seek(0)
    return png


def _check_jpeg_end(file: BinaryIO, where: str) -> None:
    """Refuse a JPEG without an end even where a host told Pillow to guess the rest (LOAD_TRUNCATED_IMAGES)."""
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        file.seek(0)
        data = file.read()
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
            raise BadImage("the JPEG is cut off: its end is missing", where=where, fix=AGAIN)


def _open_image(file: BinaryIO, kind: str, where: str) -> Image | None:
    """Open with Pillow; None for a TIFF that Pillow does not know but OpenCV may."""
    from PIL import Image as Pil
    from PIL import UnidentifiedImageError

    if kind == "HEIF":
        return _open_heif(file, where)
    if not _plugged(kind):
        fix = "pip install 'pillow>=11.3', or save the picture as PNG"
        raise BadImage(f"this Pillow ({Pil.__version__}) does not read {kind}", where=where, fix=fix)  # type: ignore[attr-defined]
    allowed = ("JPEG", "MPO") if kind == "JPEG" else (kind,)
    try:
        return Pil.open(file, formats=[name for name in allowed if name in Pil.OPEN])
    except UnidentifiedImageError as error:
        if kind == "TIFF":
            return None
        raise BadImage(
            f"the {kind} file is damaged or cut off: its header makes no sense", where=where, fix=AGAIN
        ) from error


def _plugged(kind: str) -> bool:
    from PIL import Image as Pil

    try:
        importlib.import_module(f"PIL.{_MODULES[kind]}")
        if kind == "JPEG":
            importlib.import_module("PIL.MpoImagePlugin")
    except ImportError:
        return kind in Pil.OPEN
    return kind in Pil.OPEN


def _open_heif(file: BinaryIO, where: str) -> Image:
    try:
        heif: Any = importlib.import_module("pillow_heif")
    except ImportError as error:
        fix = "pip install pillow-heif, or save the picture as JPEG or PNG"
        raise BadImage("this is a HEIC/HEIF picture, which needs a plug-in", where=where, fix=fix) from error
    opened = heif.open_heif(file, convert_hdr_to_8bit=True)
    check_size(Size(opened.size[1], opened.size[0]), where=where)
    return opened.to_pillow()


def _deep_colour(file: BinaryIO, image: Image, png: PngHeader | None) -> NDArray[np.uint16] | None:
    """Decode 16-bit colour a second time with OpenCV, because Pillow cuts it to 8 bit; None where that is not so."""
    bits: Any = getattr(image, "tag_v2", {}).get(258, ()) if png is None else (png.bits,)
    if image.mode not in ("RGB", "RGBA") or set(bits) != {16}:
        return None
    check_size(Size(image.height, image.width), where="")
    decoded = _imdecode(file)
    file.seek(0)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        return None
    key = np.frombuffer(png.key, ">u2") if png is not None and len(png.key) == 6 else None
    if key is not None and decoded.shape[2] == 3:
        alpha = np.where((decoded == key).all(axis=-1), 0, 65535).astype(np.uint16)
        return np.dstack([decoded, alpha])
    return decoded


def _imdecode(file: BinaryIO) -> NDArray[Any] | None:
    """Decode with OpenCV as stored, in RGB(A) order; None without OpenCV or when it cannot."""
    try:
        import cv2
    except ImportError:
        return None
    file.seek(0)
    try:
        decoded: NDArray[Any] | None = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if decoded is None or decoded.ndim == 2:
        return decoded
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(decoded.shape[2])
    return decoded if order is None else np.ascontiguousarray(decoded[..., order])


def _by_opencv(file: BinaryIO, where: str) -> Picture:
    """Read a TIFF of a kind that Pillow does not know (float or 32-bit colour)."""
    from PIL import TiffImagePlugin

    file.seek(0)
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    check_size(Size(int(tags.get(257, 0)), int(tags.get(256, 0))), where=where)
    decoded = _imdecode(file)
    if decoded is None or (decoded.ndim == 3 and decoded.shape[2] not in (1, 3)):
        raise BadImage(
            "this kind of TIFF is not read here, or it is damaged", where=where, fix="save it as PNG or 8-bit TIFF"
        )
    notes: list[str] = []
    grey_or_rgb = deep_to_8bit(decoded, notes, where=where) if decoded.dtype != np.uint8 else decoded
    if grey_or_rgb.ndim == 2 or grey_or_rgb.shape[2] == 1:
        grey_or_rgb = np.repeat(grey_or_rgb.reshape(*grey_or_rgb.shape[:2], 1), 3, axis=2)
    return Picture(np.ascontiguousarray(grey_or_rgb), None, tuple(notes))


def picture_of(image: Image) -> Picture:
    """Decode the current frame of an open Pillow picture, like a file. Raises BadImage."""
    where, notes = getattr(image, "filename", "") or "picture", list[str]()
    with _guarded(where, notes):
        picture = decode(image, where=where)
    return replace(picture, notes=(*notes, *picture.notes))
