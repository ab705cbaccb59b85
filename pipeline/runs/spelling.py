"""Controls as they are written on a command line: ``canny=photo.jpg``, ``depth:weight=0.8,end=0.7=photo.jpg``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ...preprocessors import registry
from ..request import READY_MAP, Control
from .maps import KIND, RESOLUTION

if TYPE_CHECKING:
    from ...core.params import Field, Value

FORM = re.compile(r"(?P<kind>[^:=]+)(?::(?P<options>\w+=[^,=]*(?:,\w+=[^,=]*)*))?(?:=(?P<file>.*))?", re.DOTALL)
FIX = "write KIND=IMAGE, or KIND:weight=0.8,start=0,end=0.7=IMAGE"
NUMBERS = ("weight", "start", "end")
WORDS = ("mode", "fit", "model")
JOINED = re.compile(r"[:;]\s*(\w+)\s*$")
"""How an option's value ends where another option was joined to it by something else than a comma."""
OWN = {RESOLUTION: "int", KIND: "text"}
"""Parameters that are none of the annotator's, and their types."""
KINDS = {
    "int": ("no whole number", "write one such as 2"),
    "float": ("no number", "write one such as 0.8"),
    "bool": ("neither yes nor no", "write yes or no"),
}
"""Kind of a field → what another text is not, and what to write."""
SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def parse_control(text: str) -> Control:
    """Read ``KIND[:NAME=VALUE,...][=IMAGE]``.

    KIND: an annotator by any of its names, or "map" for a picture that is the map. Names: weight, start, end, mode
    (balanced, prompt, control), fit (crop, just, fill), model, resolution, the annotator's parameters, and kind, of a
    ready map for a union ControlNet. Without IMAGE the picture to start from is used. Raises BadParameter, UnknownName.

    >>> control = parse_control("depth_midas:weight=0.8,end=0.7=a photo.jpg")
    >>> control.annotator, control.weight, control.end, control.image.name
    ('depth_midas', 0.8, 0.7, 'a photo.jpg')
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise BadParameter("this is no control", where=text[:80], fix=FIX)
    kind, file = found["kind"].strip(), (found["file"] or "").strip()
    pairs = dict(pair.split("=", 1) for pair in (found["options"] or "").split(",") if pair)
    if len(pairs) < (found["options"] or "").count("="):
        raise BadParameter("an option is given twice", where=text[:80], fix="give it once")
    annotator = "" if kind == READY_MAP else kind
    values: dict[str, Any] = {"annotator": annotator, "image": Path(file) if file else None}
    values["params"] = _read_params(annotator, pairs, text)
    values |= {name: value.strip() for name, value in pairs.items() if name in WORDS}
    values |= {name: read_value("float", pairs[name], f"{text}, {name}") for name in NUMBERS if name in pairs}
    try:
        return msgspec.convert(values, Control)
    except msgspec.ValidationError as error:
        raise BadParameter(f"a value makes no sense ({error})", where=text[:80], fix=FIX) from error


def _read_params(annotator: str, pairs: dict[str, str], where: str) -> dict[str, Value]:
    """Parameters of an annotator among all options; their bounds are checked by itself. Raises BadParameter."""
    fields: dict[str, Field] = {}
    if annotator:
        resolved = registry.resolve(annotator)
        fields = {field.name: field for field in (*resolved.earlier_fields(), *resolved.fields())}
    values: dict[str, Value] = {}
    known = [*NUMBERS, *WORDS, *OWN, *fields]
    for name, value in pairs.items():
        if (joined := JOINED.search(value)) and joined[1] in known:
            what, first = "options are joined by commas", value[: joined.start()]
            raise BadParameter(what, where=where[:80], fix=f"write {name}={first},{joined[1]}=...")
    for name, value in pairs.items():
        if name in (*NUMBERS, *WORDS):
            continue
        if name not in OWN and name not in fields:
            fix = f"choose among {', '.join(known)}"
            raise BadParameter(f"{name} is not known here", where=where[:80], fix=fix)
        values[name] = read_value(OWN[name] if name in OWN else fields[name].kind, value.strip(), f"{where}, {name}")
    return values


def read_value(kind: str, text: str, where: str) -> Value:
    """A value of a kind of field from its text. Raises BadParameter."""
    try:
        if kind == "bool":
            return SWITCHES[text.lower()]
        return {"int": int, "float": float}.get(kind, str)(text)
    except (ValueError, KeyError) as error:
        raise BadParameter(f"{text!r} is {KINDS[kind][0]}", where=where[:120], fix=KINDS[kind][1]) from error
