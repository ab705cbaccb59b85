"""Infotexts in picture files: written into PNGs, read from PNG, JPEG, WebP and AVIF, and from other tools' pictures."""

from __future__ import annotations

import io
import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadImage, BadParameter
from ...core.images.headers import detect_format
from ...core.images.opening import check_file, open_file, open_image, report_faults
from ..request import Request
from .reading import Reading, check_names, read_infotext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import uint8
    from numpy.typing import NDArray

INFOTEXT = "parameters"
"""Keyword of the text chunk that A1111 writes and reads."""
RECORD = "underdrawing-request"
"""Keyword of the text chunk with the exact request as JSON; maps bear another one, so a picture is no map."""
_EXIF, _COMMENT = 0x8769, 0x9286
_CODES = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii", b"\0" * 8: "utf-8"}
_MEMORY = {"memory": True}
"""In place of a picture that was no file."""
_FIX = "choose a picture that was saved with its parameters, or write the prompt"


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
    if INFOTEXT in texts:
        return read_infotext(texts[INFOTEXT], where=where)
    return _read_foreign(path, where)


def read_texts(path: Path) -> dict[str, str]:
    """Texts of a picture file by keyword; the comment of a photograph's EXIF counts as its infotext."""
    where = str(path)
    with open_file(path, where) as file, report_faults(where, []):
        head = file.read(32)
        file.seek(0)
        kind = detect_format(head)
        check_file(file, head, kind, where)
        image = open_image(file, kind, where)
        if image is None:
            return {}
        texts = {str(name): str(value) for name, value in image.info.items() if isinstance(value, str)}
        comment = image.getexif().get_ifd(_EXIF).get(_COMMENT)
    if isinstance(comment, bytes) and INFOTEXT not in texts and (text := decode_comment(comment)):
        texts[INFOTEXT] = text
    return texts


def decode_comment(comment: bytes) -> str:
    """Text of EXIF's UserComment: eight bytes say how it is written; empty for what cannot be read."""
    encoding = _CODES.get(comment[:8].upper())
    if encoding is None:
        return ""
    try:
        return comment[8:].decode(encoding).rstrip("\0")
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
        raise BadParameter(f"its record makes no sense ({error})", where=where, fix=_FIX) from error
    sources = [one.image for one in request.controls] + [request.image, request.mask]
    if any(source is not None and not isinstance(source, str) and source != _MEMORY for source in sources):
        raise BadParameter("its record names a picture by what is no name of a file", where=where, fix=_FIX)
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


def _read_foreign(path: Path, where: str) -> Reading:
    """Through sd-parsers, which knows the texts of ComfyUI, InvokeAI, NovelAI and Fooocus."""
    try:
        parsers = import_module("sd_parsers")
    except ModuleNotFoundError as error:
        what = "holds no generation parameters in A1111's form"
        fix = f"pip install sd-parsers reads those of other tools; or {_FIX}"
        raise BadParameter(what, where=where, fix=fix) from error
    try:
        found = parsers.ParserManager().parse(path)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadImage(f"its texts cannot be read ({error})", where=where, fix=_FIX) from error
    if found is None or not found.samplers:
        raise BadParameter("holds no generation parameters", where=where, fix=_FIX)
    sampler = found.samplers[0]
    fields = _name_fields(sampler, sampler.parameters)
    notes = [f"read as a picture of {found.generator.value}: prompts and sampler, and no more"]
    if len(found.samplers) > 1:
        notes.append(f"it was sampled {len(found.samplers)} times, of which the first is repeated")
    text = "\n".join(
        [
            "\n".join(prompt.value for prompt in sampler.prompts),
            "Negative prompt: " + "\n".join(prompt.value for prompt in sampler.negative_prompts),
            ", ".join(f"{label}: {json.dumps(value)}" for label, value in fields.items()),
        ]
    )
    reading = read_infotext(text, where=where)
    return msgspec.structs.replace(reading, notes=(*notes, *reading.notes))


def _name_fields(sampler: Any, parameters: Mapping[str, Any]) -> dict[str, str]:
    """A1111's labels for what sd-parsers calls by names of its own."""
    names = {"Steps": "steps", "CFG scale": "cfg_scale", "Seed": "seed", "Schedule type": "scheduler"}
    fields = {label: str(parameters[name]) for label, name in names.items() if name in parameters}
    if "Seed" not in fields and "noise_seed" in parameters:
        fields["Seed"] = str(parameters["noise_seed"])
    fields["Sampler"] = str(sampler.name)
    if sampler.model is not None and sampler.model.name:
        fields["Model"] = str(sampler.model.name)
    fields["RNG"] = "CPU"
    return fields
