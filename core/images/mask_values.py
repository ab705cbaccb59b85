"""What of a mask counts as to be repainted, and what should be said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BadImage
from .pixels import check_unit_range, to_8bit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .geometry import Size

COVERS_NOTHING = "the mask covers nothing, the whole picture is kept"
COVERS_ALL = "the mask covers the whole picture"
_FULL = {"u1": 255, "u2": 65535}
_FEW = 8
"""Up to so many different values look like classes and not like a drawn mask."""


class Coverage(NamedTuple):
    """covered: bool [H, W], true where the picture is to be repainted. notes: how the values were understood."""

    covered: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def find_coverage(levels: NDArray[Any]) -> Coverage:
    """Decide on the numbers of one mask [H, W]: above half counts; of exactly two values the higher one counts.

    Half is 127 of uint8 (and of other whole numbers from 0 to 255), 32767 of uint16, 0.5 (included) of floats from 0
    to 1. Two values that are not black and white, classes, and masks of nothing or everything are noted with their
    range. Raises BadImage for other numbers.
    """
    if levels.dtype.kind == "b":
        return Coverage(levels.astype(np.bool_), tuple(_describe(levels, COVERS_NOTHING)))
    low, high = levels.min(), levels.max()
    if bool(low < high) and bool(((levels == low) | (levels == high)).all()):
        full = 1 if levels.dtype.kind == "f" else _FULL.get(levels.dtype.str[1:], 255)
        usual = (float(low), float(high)) == (0.0, float(full))
        note = f"the mask has the two values {low:g} and {high:g}: {high:g} counts as to be repainted"
        return Coverage(levels == high, () if usual else (note,))
    covered, half = _apply_threshold(levels, low, high)
    nothing = f"{COVERS_NOTHING}: its values range from {low:g} to {high:g}, and count above {half:g}"
    notes = list(_describe(covered, nothing))
    if not notes and (classes := _find_classes(levels)):
        listed = ", ".join(f"{value:g}" for value in classes)
        notes.append(f"the mask has {len(classes)} values ({listed}): those above {half:g} count as to be repainted")
    return Coverage(covered, tuple(notes))


def is_coverage_note(note: str) -> bool:
    """Whether a note says that a mask covers nothing or everything."""
    return COVERS_NOTHING in note or COVERS_ALL in note


def _apply_threshold(levels: NDArray[Any], low: Any, high: Any) -> tuple[NDArray[np.bool_], float]:
    if levels.dtype.kind == "f":
        check_unit_range(levels)
        return levels >= 0.5, 0.5
    if levels.dtype.kind in "iu" and levels.dtype.str[1:] not in _FULL and low >= 0 and high <= 255:
        levels = levels.astype(np.uint8)
    return to_8bit(levels) > 127, _FULL.get(levels.dtype.str[1:], 255) // 2


def _describe(covered: NDArray[np.bool_], nothing: str) -> list[str]:
    if not bool(covered.any()):
        return [nothing]
    return [COVERS_ALL] if bool(covered.all()) else []


def _find_classes(levels: NDArray[Any]) -> list[float]:
    """Values of a mask that has only a few; empty for a drawn one, whose black and white have soft edges."""
    if levels.dtype.kind == "f":
        return []
    seen = np.unique(levels[:: max(1, levels.shape[0] // 64)])
    if len(seen) > _FEW:
        return []
    values = np.unique(levels)
    return [float(value) for value in values] if 2 < len(values) <= _FEW else []


def describe_fit(mask: Size, picture: Size) -> str:
    """Note on a mask whose shape is not the picture's, to within a pixel; empty when it is."""
    if has_same_aspect(mask, picture):
        return ""
    shape = f"{mask.width} x {mask.height}"
    return f"the mask is {shape}, the picture {picture.width} x {picture.height}: it was stretched to another aspect"


def has_same_aspect(one: Size, other: Size) -> bool:
    """Whether one size is the other scaled, to within a pixel of the smaller one."""
    small, large = sorted((one, other), key=lambda size: size.height * size.width)
    height, width = small.width * large.height / large.width, small.height * large.width / large.height
    return abs(height - small.height) <= 1 or abs(width - small.width) <= 1


def check_upright(mask: Size, picture: Size, orientation: int, *, where: str) -> None:
    """Refuse a mask with the shape of the picture as it is stored, where EXIF turns that by a quarter.

    orientation: the picture's EXIF value, 1 to 8. picture: its size as shown. Raises BadImage.
    """
    stored = type(picture)(picture.width, picture.height)
    if orientation >= 5 and has_same_aspect(mask, stored) and not has_same_aspect(mask, picture):
        what = (
            f"the mask is {mask.width} x {mask.height}, as the picture is stored, but the picture is shown as "
            f"{picture.width} x {picture.height} (EXIF orientation {orientation})"
        )
        raise BadImage(what, where=where, fix="draw the mask on the picture as it is shown, or turn it likewise")


def describe_turn(mask: Size, picture: Size, orientation: int) -> str:
    """Note on a mask whose shape does not tell on which side of an EXIF-turned picture it was drawn; else empty."""
    stored = picture if orientation < 5 else type(picture)(picture.width, picture.height)
    if orientation == 1 or not (has_same_aspect(mask, stored) and has_same_aspect(mask, picture)):
        return ""
    return f"the picture is shown turned (EXIF orientation {orientation}): the mask was taken as drawn on it as shown"
