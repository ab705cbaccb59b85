"""Maps of controls: made by an annotator or given, and fitted to the size of the picture that is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...core.annotator import Kind
from ...core.errors import BadParameter
from ...core.images.fit_map import fit_map
from ...core.images.geometry import MAX_MAP_PIXELS, Size, find_pixel_perfect
from ...preprocessors import load_annotator, registry
from .sources import fit_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..request import Control, Pixels

    Mask = NDArray[np.bool_]

RESOLUTION = "resolution"
"""Among a control's parameters: shorter side at which the annotator works; otherwise that of the generated picture."""

KIND = "kind"
"""Among a control's parameters: kind of a ready map, for union ControlNets."""

_LOADING = {"name", "device", "dtype", "backend"}
"""How an annotator is loaded, which is for the run to say."""


class Hint(NamedTuple):
    """A map for a ControlNet. pixels: uint8 [H, W, 3], to look at. values: float32 [3, H, W], 0 to 1, -1 for what an
    inpainting ControlNet is to fill. resolution: shorter side of the map as it was made."""

    pixels: Pixels
    values: NDArray[np.float32]
    resolution: int


def find_kind(control: Control) -> Kind | None:
    """Kind of map that an annotator makes; None for a ready map. Raises UnknownName."""
    return registry.resolve(control.annotator).annotator.spec.kind if control.annotator else None


def draw_hint(
    control: Control,
    picture: Pixels,
    size: Size,
    mask: Mask | None,
    note: Callable[[str], None],
    *,
    device: str = "auto",
) -> Hint:
    """Make the map of a picture uint8 [H, W, 3] and fit it to size as the control says.

    mask: bool [H, W] of the picture, for annotators that take one. Raises what the annotator raises.
    """
    if not control.annotator:
        pixels = fit_map(picture, size, control.fit)
        return _to_hint(pixels, min(size))
    params = {name: value for name, value in control.params.items() if name != KIND}
    if foreign := sorted(_LOADING & set(params)):
        raise BadParameter(f"{foreign[0]} is none of its parameters", where=control.annotator, fix="take it out")
    resolution = _read_resolution(params.pop(RESOLUTION, 0), control.annotator)
    annotator = load_annotator(control.annotator, device=device, **params)
    if annotator.spec.kind is Kind.INPAINT:
        picture = fit_picture(picture, size, control.fit)
        mask = None if mask is None else fit_picture(mask.astype(np.float32), size, control.fit) >= 0.5
    masks = mask[None] if mask is not None and annotator.spec.takes_mask else None
    resolution = resolution or find_pixel_perfect(Size(*picture.shape[:2]), size, control.fit)
    answer = annotator(picture[None], resolution=resolution, masks=masks)
    for text in answer.notes:
        note(f"{control.annotator}: {text}")
    if annotator.spec.kind is Kind.INPAINT and answer.values is not None and answer.values.shape[1:3] == tuple(size):
        values = np.moveaxis(answer.values[0], -1, 0).astype(np.float32)
        return Hint(answer.images[0], np.ascontiguousarray(values), resolution)
    return _to_hint(fit_map(answer.images[0], size, control.fit, smooth=annotator.spec.smooth), resolution)


def _to_hint(pixels: Pixels, resolution: int) -> Hint:
    values: NDArray[np.float32] = np.divide(np.moveaxis(pixels, -1, 0), 255, dtype=np.float32)
    return Hint(pixels, np.ascontiguousarray(values), resolution)


def _read_resolution(value: object, where: str) -> int:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
    if not 0 <= number <= MAX_MAP_PIXELS or int(number) != number:
        raise BadParameter(f"{value!r} is no resolution", where=where, fix="give the shorter side in pixels")
    return int(number)
