"""ControlNets in infotexts, as sd-webui-controlnet, older versions of it and Forge write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...core.report_text import printable
from ..request import Control
from .settings import convert_values
from .text import parse_fields
from .writing import CONTROL_MODES

if TYPE_CHECKING:
    from ...core.images.geometry import FitMode

NUMBERS = {"weight": "weight", "guidance start": "start", "guidance end": "end"}
"""Label, in small letters → field of a control."""
FITS: dict[str, FitMode] = {"just resize": "just", "crop and resize": "crop", "resize and fill": "fill"}
READ = frozenset(
    [*NUMBERS, "module", "model", "control mode", "processor res", "resize mode", "pixel perfect", "starting/ending"]
)
SILENT = frozenset({"low vram", "save detected map"})
"""Labels that change no picture."""
IDLE = frozenset({"", "false", "none", "both", "-1", "-1.0", "balanced"})
"""Values of other labels that mean nothing is done."""
_SHOWN = 200
"""Characters of a value in a note."""


def read_control(text: str, where: str) -> tuple[Control, list[str]]:
    """A control without its picture, which no text holds, and notes on what is not repeated. Raises BadParameter."""
    fields = {label.lower(): value.strip() for label, value in parse_fields(text).items()}
    if "preprocessor" in fields:  # until 1.1.4xx
        fields["module"] = fields.pop("preprocessor")
    module, model, resolution = (fields.get(name, "") for name in ("module", "model", "processor res"))
    values: dict[str, Any] = {name: fields[label] for label, name in NUMBERS.items() if fields.get(label)}
    if span := re.fullmatch(r"\(([0-9.]{1,20}), ?([0-9.]{1,20})\)", fields.get("starting/ending", "")):
        values |= {"start": span[1], "end": span[2]}
    modes = {label.lower(): mode for mode, label in CONTROL_MODES.items()}
    notes = _note_unknown(fields, "control mode", modes) + _note_unknown(fields, "resize mode", FITS)
    fixed = re.fullmatch(r"[0-9]{1,9}", resolution) if fields.get("pixel perfect", "").lower() != "true" else None
    values |= {
        "annotator": "" if module.lower() == "none" else module,
        "model": "" if model.lower() == "none" else model,
        "mode": modes.get(fields.get("control mode", "").lower(), "balanced"),
        "fit": FITS.get(fields.get("resize mode", "").lower(), "crop"),
        "params": {"resolution": int(fixed[0])} if fixed else {},
    }
    left = {label: value for label, value in fields.items() if label not in READ | SILENT and value.lower() not in IDLE}
    notes += [f"{label} ({printable(value, _SHOWN)}) is not repeated" for label, value in left.items()]
    return convert_values(values, Control, where), notes


def _note_unknown(fields: dict[str, str], label: str, known: dict[str, Any]) -> list[str]:
    value = fields.get(label, "")
    if not value or value.lower() in known:
        return []
    return [f"{label} ({printable(value, _SHOWN)}) is not known: the usual one is taken"]
