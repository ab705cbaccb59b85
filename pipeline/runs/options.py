"""Options of a command as a request: alone, or on top of what a picture says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ..infotext.pictures import read_picture_request
from ..infotext.reading import MADE_FROM, MASK_BLUR, Reading
from ..infotext.settings import read_typed_settings
from ..request import Hires, Request
from .spelling import parse_control

if TYPE_CHECKING:
    from collections.abc import Mapping

HIRES = {
    "hires_width": "width",
    "hires_height": "height",
    "hires_steps": "steps",
    "hires_strength": "strength",
    "hires_upscaler": "upscaler",
    "hires_sampler": "sampler",
    "hires_scheduler": "scheduler",
    "hires_prompt": "prompt",
    "hires_negative": "negative",
}
"""Option → field of a second pass; its scale is the option "hires"."""
SIDES = frozenset({"hires_width", "hires_height"})
"""Options that ask for a second pass without its scale."""
SILENT = SIDES | {"hires_sampler", "hires_scheduler", "hires_prompt", "hires_negative"}
"""Options that say nothing where they are empty or 0 and there is no second pass."""
GAPS = {
    "steps": "the steps are not named: {0.steps} are made",
    "sampler": "the sampler is not named: {0.sampler} takes its place",
    "cfg": "the CFG scale is not named: the model's usual one is taken",
    "seed": "the seed is not named: a random one is taken",
    "width": "the size is not named: the model's is taken",
    "checkpoint": "no model is named: the reference model takes its place; name the checkpoint",
    "noise": "RNG is not named: noise is as of NVIDIA's GPUs; for a picture of a computer without one give noise cpu",
}
"""What is done about fields of which a picture's text says nothing."""
INSTEAD = {"width": ("height", "image")}
"""Options that fill a gap as well."""
SAME = frozenset(Request.__struct_fields__) - {"prompt", "image", "mask", "hires", "controls", "checkpoint"}
"""Options that are fields of a request."""


def build_request(
    prompt: str | None, given: Mapping[str, Any], picture: Path | None = None
) -> tuple[Request, tuple[str, ...]]:
    """What is asked for, and notes about what was read from a picture.

    given: options by name; one that is there counts, whatever its value. picture: to repeat; what is given counts
    instead of what its file says. Raises BadParameter, BadImage, UnknownName.
    """
    if picture is not None:
        return _repeat(prompt, given, read_picture_request(picture))
    if prompt is None:
        raise BadParameter("there is no prompt", where="generate", fix='write it behind the command: "a red ball"')
    return Request(prompt=prompt, **_read_options(given, None)), ()


def _repeat(prompt: str | None, given: Mapping[str, Any], reading: Reading) -> tuple[Request, tuple[str, ...]]:
    """What a picture says of itself, changed by options, and notes on what neither says."""
    changes = _read_options(given, reading.request.hires) | ({} if prompt is None else {"prompt": prompt})
    if given.get("setting"):
        changes["settings"] = read_typed_settings(split_lines(given["setting"]), reading.request.settings)
    notes = [note for note in reading.notes if not note.startswith(MADE_FROM) or "image" not in changes]
    if changes.get("mask") and MASK_BLUR in reading.gaps and MASK_BLUR not in changes:
        changes[MASK_BLUR] = 0.0
        notes.append("the blur of the mask is not named, as A1111 does not write 0: its edge stays hard")
    request = msgspec.structs.replace(reading.request, **changes)
    for name in reading.gaps:
        if name in GAPS and not changes.keys() & {name, *INSTEAD.get(name, ())}:
            notes.append(GAPS[name].format(request))
    return request, tuple(notes)


def _read_options(given: Mapping[str, Any], hires: Hires | None) -> dict[str, Any]:
    """Fields of a request. hires: the second pass so far."""
    values = {name: value for name, value in given.items() if name in SAME}
    values |= {name: Path(given[name]) if given[name] else None for name in ("image", "mask") if name in given}
    if "checkpoint" in given:
        values["checkpoint"] = given["checkpoint"] or "reference"
    if given.get("setting"):
        values["settings"] = read_typed_settings(split_lines(given["setting"]))
    if "control" in given:
        values["controls"] = tuple(map(parse_control, split_lines(given["control"])))
    if "hires" in given:
        hires = msgspec.structs.replace(hires or Hires(), scale=given["hires"]) if given["hires"] else None
    elif hires is None and any(given.get(name) for name in SIDES):
        hires = Hires()
    told = [name for name in HIRES if name in given and (given[name] or name not in SILENT or hires is not None)]
    changes = {HIRES[name]: given[name] for name in told}
    if changes and hires is None:
        idle = ", ".join(told)
        what = f"{idle} says something of a second pass, and there is none"
        raise BadParameter(what, where="generate", fix="give its scale, such as --hires 2, or its size")
    if changes or "hires" in given:
        values["hires"] = None if hires is None else msgspec.structs.replace(hires, **changes)
    return values


def split_lines(text: str) -> list[str]:
    """Lines that are not empty; names of files may hold blanks."""
    return [line.strip() for line in text.splitlines() if line.strip()]
