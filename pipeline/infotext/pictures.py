"""Infotexts in picture files: written into PNGs, read from PNG, JPEG, WebP and AVIF, and from other tools' pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ..request import Request
from .files import open_picture
from .foreign import read_foreign
from .reading import FIX, Reading, check_names, read_infotext
from .text import parse_infotext

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

INFOTEXT = "parameters"
"""Keyword of the text chunk that A1111 writes and reads."""
RECORD = "underdrawing-request"
"""Keyword of the text chunk with the exact request as JSON; maps bear another one, so a picture is no map."""
_EXIF, _COMMENT = 0x8769, 0x9286
_WIDE = b"UNICODE\0"
_CODES = {b"ASCII\0\0\0": "ascii", b"\0" * 8: "utf-8"}
_MEMORY = {"memory": True}
"""In place of a picture that was no file."""


def encode_picture(pixels: NDArray[uint8], infotext: str, request: Request) -> bytes:
    """PNG of a picture uint8 [H, W, 3], with its infotext and its request. The same bytes for the same picture."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for keyword, text in ((INFOTEXT, infotext), (RECORD, encode_request(request))):
        texts.add_text(keyword, text) if text.isascii() else texts.add_itxt(keyword, text)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", pnginfo=texts, compress_level=4)
    return target.getvalue()


def encode_request(request: Request) -> str:
    """A request as JSON; pictures that are files by their names, those in memory are only said to be."""
    return json.dumps(_strip(msgspec.structs.asdict(request)), sort_keys=True, separators=(",", ":"))


def read_picture_request(path: Path) -> Reading:
    """What a picture was made with, by whatever tool, as far as its file says.

    Raises BadImage when the file is no picture, BadParameter when it says nothing.
    """
    texts = read_texts(path)
    where = str(path)
    if RECORD in texts:
        return _decode_record(texts[RECORD], where)
    if parse_infotext(texts.get(INFOTEXT, "")).fields:
        return read_infotext(texts[INFOTEXT], where=where)
    return read_foreign(path, where)


def read_texts(path: Path) -> dict[str, str]:
    """Texts of a picture file by keyword; comments of a photograph's EXIF and of a GIF count as its infotext."""
    where = str(path)
    with open_picture(path, where) as image:
        if image is None:
            return {}
        texts = {str(name): str(value) for name, value in image.info.items() if isinstance(value, str)}
        comment = image.getexif().get_ifd(_EXIF).get(_COMMENT)
        plain = image.info.get("comment")
    if isinstance(comment, bytes) and INFOTEXT not in texts and (text := decode_comment(comment)):
        texts[INFOTEXT] = text
    if isinstance(plain, bytes) and INFOTEXT not in texts:
        texts[INFOTEXT] = plain.decode("utf-8", "ignore")
    return texts


def decode_comment(comment: bytes) -> str:
    """Text of EXIF's UserComment: eight bytes say how it is written; empty for what cannot be read.

    Tools write UTF-16 in either byte order, whatever that of the file is: letters of western texts end or begin with 0.
    """
    code, text = comment[:8].upper(), comment[8:]
    encoding = _CODES.get(code)
    if code == _WIDE:
        encoding = "utf-16-le" if text[1::2].count(0) > text[::2].count(0) else "utf-16-be"
    if encoding is None:
        return ""
    try:
        return text.decode(encoding).lstrip("\ufeff").rstrip("\0")
    except UnicodeDecodeError:
        return ""


def _strip(value: Any) -> Any:
    """Values of a request as JSON has them."""
    if isinstance(value, msgspec.Struct):
        return _strip(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {name: _strip(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strip(one) for one in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value if value is None or isinstance(value, (str, int, float)) else _MEMORY


def _decode_record(text: str, where: str) -> Reading:
    try:
        request = msgspec.convert(json.loads(text), Request)  # msgspec's own reader takes no names that are no UTF-8
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise BadParameter(f"its record makes no sense ({error})", where=where, fix=FIX) from error
    sources = [one.image for one in request.controls] + [request.image, request.mask]
    if any(source is not None and not isinstance(source, str) and source != _MEMORY for source in sources):
        raise BadParameter("its record names a picture by what is no name of a file", where=where, fix=FIX)
    check_names(request, sources, where)
    controls = tuple(msgspec.structs.replace(one, image=_name_file(one.image)) for one in request.controls)
    image, mask = _name_file(request.image), _name_file(request.mask)
    request = msgspec.structs.replace(request, controls=controls, image=image, mask=mask)
    if _MEMORY in sources:
        note = "pictures it was made from were no files: name them again"
        return Reading(request=request, notes=(note,))
    return Reading(request=request, exact=True)


def _name_file(value: Any) -> Path | None:
    return Path(value) if isinstance(value, str) else None
