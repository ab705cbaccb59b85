"""Sizes and fits of control maps. Pure functions of numbers; pictures are moved by `core.images.resize`.

Source of the resize modes and of pixel perfect: A1111's ControlNet extension (`external_code.pixel_perfect_resolution`,
`Script.detectmap_proc`).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ..errors import BadImage, BadParameter

MAX_MAP_PIXELS = 2**26
"""Largest map, 67 megapixels (8192 x 8192)."""


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


def parse_size(text: str) -> Size | None:
    """Read WIDTHxHEIGHT; None for an empty text. Raises BadParameter."""
    if not text.strip():
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text.strip())
    if match is None:
        raise BadParameter(f"{text!r} is not a size", where="size", fix="write WIDTHxHEIGHT, for example 768x512")
    return Size(int(match[2]), int(match[1]))


FitMode = Literal["just", "crop", "fill"]
"""A1111's "Just Resize", "Crop and Resize" and "Resize and Fill"."""


def find_target_size(size: Size, resolution: int) -> Size:
    """Size of the map of a picture: shorter side = resolution, aspect kept, each side round(side * k), at least 1.

    resolution 0 is the picture's own size. Raises BadImage when the map would exceed MAX_MAP_PIXELS.
    """
    if resolution < 0:
        raise BadImage(
            f"resolution {resolution} is negative", fix="give a positive number of pixels, or 0 for the input's size"
        )
    if min(size) < 1:
        raise BadImage(f"the picture is {size.width} x {size.height} pixels, there is nothing to see")
    k = resolution / min(size) if resolution else 1.0
    target = Size(max(1, round(size.height * k)), max(1, round(size.width * k)))
    if target.height * target.width > MAX_MAP_PIXELS:
        raise BadImage(
            f"a {size.width} x {size.height} picture at resolution {resolution} would give a map of {target.width} x "
            f"{target.height} pixels, more than {MAX_MAP_PIXELS}",
            fix="choose a smaller resolution or crop the picture",
        )
    return target


def find_padded_size(size: Size, multiple: int) -> Size:
    """Next larger size whose sides are multiples."""
    return Size(-(-size.height // multiple) * multiple, -(-size.width // multiple) * multiple)


def find_pixel_perfect(source: Size, target: Size, mode: FitMode) -> int:
    """Resolution at which a map of source has just the detail that target shows (A1111's "Pixel Perfect").

    target is the generation size; A1111 floors it to multiples of 8 before. At least 1: 0 would mean the input's size.
    """
    scales = (target.height / source.height, target.width / source.width)
    k = min(scales) if mode == "fill" else max(scales)
    return max(1, round(k * min(source)))


class FitPlan(NamedTuple):
    """How a map is brought to a target: scale it to `scaled`, then place it at (top, left) of the target.

    Offsets are negative where the scaled map is larger than the target and is cropped.
    """

    scaled: Size
    top: int
    left: int


def plan_fit(source: Size, target: Size, mode: FitMode) -> FitPlan:
    """Plan A1111's resize modes: stretch ("just"), cover and centre-crop ("crop"), contain and centre ("fill")."""
    if mode == "just":
        return FitPlan(target, 0, 0)
    scales = (target.height / source.height, target.width / source.width)
    k = min(scales) if mode == "fill" else max(scales)
    scaled = Size(max(1, round(source.height * k)), max(1, round(source.width * k)))
    if mode == "fill":
        return FitPlan(scaled, max(0, (target.height - scaled.height) // 2), max(0, (target.width - scaled.width) // 2))
    return FitPlan(scaled, -max(0, (scaled.height - target.height) // 2), -max(0, (scaled.width - target.width) // 2))
