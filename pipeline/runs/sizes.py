"""Size of pictures: as asked for, that of the picture to start from, or the shape of the first control's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import BadParameter
from ...core.images.geometry import MAX_MAP_PIXELS, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models.model import Model
    from ..request import Hires, Request

SMALLEST = 64
LARGEST_SHARE = 1.5
"""Of the side that the reference model was trained on: above, its pictures fall apart."""


class ChosenSize(NamedTuple):
    """size of the first pass; note: what a user should know of it, or empty."""

    size: Size
    note: str


def choose_size(request: Request, model: Model, initial: Size | None, shapes: Sequence[Size]) -> ChosenSize:
    """Size of the first pass: width and height as far as they are given, then the initial picture's size, then the
    first control picture's shape with as many pixels as the model was trained on, then the model's own square.

    Sides are cut to multiples of the VAE's factor, as in A1111, with a note. Raises BadParameter for sizes that are too
    small or too large.
    """
    side = model.sample_size
    own = initial or (find_shape(shapes[0], side, model.factor) if shapes else Size(side, side))
    wanted = Size(request.height or own.height, request.width or own.width)
    if bool(request.height) != bool(request.width):
        k = request.height / own.height if request.height else request.width / own.width
        wanted = Size(request.height or round(own.height * k), request.width or round(own.width * k))
    size = cut_size(wanted, model.factor)
    check_size(wanted if min(wanted) < SMALLEST else size)
    if size == wanted or (not request.width and not request.height and initial is None):
        return ChosenSize(size, "")
    what = f"{wanted.width} x {wanted.height} is no multiple of {model.factor}"
    return ChosenSize(size, f"{what}: the picture has {size.width} x {size.height} pixels")


def explain_size(model: Model, size: Size, hires: Hires | None) -> str:
    """What to expect of the reference model at sizes far from its own, after the second pass; empty where they suit."""
    scale = 1.0
    if hires is not None:
        given = [own / side for own, side in ((hires.height, size.height), (hires.width, size.width)) if own]
        scale = max(given, default=hires.scale)
    side = model.sample_size
    if not model.reference or max(size) * scale <= side * LARGEST_SHARE:
        return ""
    return f"the reference model knows pictures of {side} x {side} only: in larger ones things are cut up and repeated"


def find_shape(picture: Size, side: int, factor: int) -> Size:
    """Size of a picture's aspect with about side * side pixels; in multiples of 8 latent pixels where it is large."""
    step = factor * 8 if side >= 512 else factor
    aspect = math.sqrt(picture.width / picture.height)
    across, down = (max(step, round(side * k / step) * step) for k in (aspect, 1 / aspect))
    return Size(down, across)


def cut_size(size: Size, factor: int) -> Size:
    """The next smaller multiples of factor."""
    return Size(size.height // factor * factor, size.width // factor * factor)


def check_size(size: Size) -> None:
    """Raise BadParameter for sides below 64 pixels and for more pixels than a picture may have."""
    shown = f"{size.width} x {size.height} pixels"
    if min(size) < SMALLEST:
        raise BadParameter(f"{shown} are too few", where="size", fix=f"ask for sides of at least {SMALLEST} pixels")
    if size.height * size.width > MAX_MAP_PIXELS:
        raise BadParameter(f"{shown} are too many", where="size", fix=f"ask for at most {MAX_MAP_PIXELS} pixels")
