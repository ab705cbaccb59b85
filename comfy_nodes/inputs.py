"""From declarations to ComfyUI's inputs: one `match` over five kinds of field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.params import describe_fields
from ..core.tiling.ways import find_way
from ..core.video.options import is_filtered

if TYPE_CHECKING:
    from ..core.aux_inputs import Widget
    from ..core.params import Field, Params, Value
    from ..core.registry import AnnotatorType

Input = tuple[Any, dict[str, Any]]
Inputs = dict[str, dict[str, Input]]
PREFIX = "Underdrawing"
OLDER = f"{PREFIX}/Names of older workflows"
"""Category of the nodes that bear another pack's names."""
NODE_ID: dict[str, Any] = {"unique_id": "UNIQUE_ID"}
"""Hidden input of nodes that must know themselves from others."""
MOST_STEPS = 1000
"""A slider with more steps cannot be set by hand; a number field is shown instead."""

RESOLUTION: Input = (
    "INT",
    {
        "default": 512,
        "min": 0,
        "max": 16384,
        "step": 8,
        "tooltip": "Length of the map's shorter side in pixels; 0: as the input",
    },
)
MATCH_INPUT: Input = (
    "BOOLEAN",
    {"default": False, "tooltip": "Maps exactly as large as their pictures; the resolution does not count"},
)
VIDEO: Input = ("UNDERDRAWING_VIDEO", {"tooltip": "The batch is a clip: what is done over its frames"})
TILES: Input = ("UNDERDRAWING_TILES", {"tooltip": "Maps larger than a tile are made in overlapping tiles"})
IMAGE: Input = ("IMAGE", {"tooltip": "One picture or a batch"})
MASK: Input = ("MASK", {"tooltip": "White where the picture is to be repainted; one for all pictures, or one for each"})
WIDTH: Input = ("INT", {"default": 512, "min": 8, "max": 16384, "step": 8, "tooltip": "Width of the generation"})
HEIGHT: Input = ("INT", {"default": 512, "min": 8, "max": 16384, "step": 8, "tooltip": "Height of the generation"})
MODE: Input = (["just", "crop", "fill"], {"default": "crop", "tooltip": "Stretch, fill and crop, or fit and pad"})


def fixed(required: dict[str, Input], optional: dict[str, Input] | None = None, hidden: Any = None) -> Any:
    """INPUT_TYPES of a node whose inputs depend on nothing."""
    parts = {"required": required, "optional": optional, "hidden": hidden}
    return classmethod(lambda cls: {name: dict(part) for name, part in parts.items() if part is not None})


def text(default: str, tooltip: str, *, multiline: bool = False) -> Input:
    """A text input."""
    return "STRING", {"default": default, "multiline": multiline, "tooltip": tooltip}


def prefix(default: str) -> Input:
    """Start of the names of new files."""
    return "STRING", {"default": default, "tooltip": "Start of the file name, below the output folder"}


def number(default: float, low: float, high: float, tooltip: str) -> Input:
    """A number input, whole if its default is."""
    whole = isinstance(default, int)
    options = {"default": default, "min": low, "max": high, "step": 1 if whole else 0.05, "tooltip": tooltip}
    return "INT" if whole else "FLOAT", options


def choice(options: list[str], tooltip: str) -> Input:
    """A combo whose first option is the default."""
    return options, {"tooltip": tooltip} | ({"default": options[0]} if options else {})


def of_field(field: Field, default: Value) -> Input:
    """Input of a parameter, with the default it has on this node."""
    return _make_input(field, default, field.help, _slider(field))


def of_params(params: type[Params], **defaults: Value) -> Any:
    """INPUT_TYPES of a node of options; defaults: where they differ from the declaration's."""
    fields = describe_fields(params)
    return fixed({field.name: of_field(field, defaults.get(field.name, field.default)) for field in fields})


def of_kind(annotator: AnnotatorType) -> dict[str, Input]:
    """Inputs for options of clips and of tiles, where the annotator's maps have any."""
    video = {"video": VIDEO} if is_filtered(annotator.spec) else {}
    return video | ({} if find_way(annotator) == "whole" else {"tiles": TILES})


def of_widget(widget: Widget, helps: dict[str, str]) -> Input:
    """Input of another pack's node; helps: what our parameters mean, by name."""
    meaning = ". ".join(helps[name] for name in sorted(widget.fields))
    if widget.name == "resolution":
        meaning = RESOLUTION[1]["tooltip"].partition(";")[0]
    return _make_input(widget, widget.default, meaning or "Kept for old workflows; changes nothing here", {})


def _make_input(source: Field | Widget, default: Value, tooltip: str, display: dict[str, Any]) -> Input:
    options: dict[str, Any] = {"default": default, "tooltip": tooltip}
    match source.kind:
        case "int" | "float":
            return source.kind.upper(), options | _bounds(source) | display
        case "bool":
            return "BOOLEAN", options
        case "choice":
            return list(source.choices), options
        case "text":
            return "STRING", options


def _bounds(source: Field | Widget) -> dict[str, Any]:
    number = int if source.kind == "int" else float
    bounds = {"min": source.low, "max": source.high, "step": source.step}
    return {name: number(value) for name, value in bounds.items() if value is not None}


def _slider(field: Field) -> dict[str, Any]:
    if field.low is None or field.high is None or not field.step:
        return {}
    return {"display": "slider"} if (field.high - field.low) / field.step <= MOST_STEPS else {}
