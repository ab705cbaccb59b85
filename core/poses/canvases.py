"""The canvas that JSON of any origin states, whatever it is called."""

from __future__ import annotations

import re
from typing import Any

from ..errors import BadImage
from .keypoint_lists import FORMAT, is_number

WIDTHS = ("canvas_width", "width", "image_width", "img_width", "canvasWidth", "imageWidth")
HEIGHTS = ("canvas_height", "height", "image_height", "img_height", "canvasHeight", "imageHeight")
SIZES = ("canvas", "image", "image_size", "canvas_size", "size", "resolution")
"""Keys of an object that holds width and height."""


def has_canvas(data: dict[str, Any]) -> bool:
    """Whether an object states a canvas, and is no box."""
    return "x" not in data and any(key in data for key in (*WIDTHS, *HEIGHTS))


def read_canvas(data: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height of an object, whatever it calls them. Raises BadImage for a canvas that is none."""
    is_box = "x" in data and "y" in data  # whose width and height are those of a person
    for place in (*([] if is_box else [data]), *(data[key] for key in SIZES if isinstance(data.get(key), dict))):
        width, height = (next((place[key] for key in keys if key in place), None) for keys in (WIDTHS, HEIGHTS))
        if width is not None or height is not None:
            return _check_side(width), _check_side(height)
    return None


def _check_side(side: Any) -> int:
    if side is None:
        raise BadImage("the canvas has no width or no height", fix=FORMAT)
    number = _read_text(side) if isinstance(side, str) else side
    if not is_number(number) or not 1 <= number < 2**31:
        raise BadImage(f"the canvas has no area: a side is {side!r}", fix=FORMAT)
    return round(number)


def _read_text(side: str) -> float:
    """A side as a text: ``512``, ``512.0``, ``512px``; 0 of any other."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d*)?)\s*(?:px)?\s*", side)
    return float(match[1]) if match else 0.0
