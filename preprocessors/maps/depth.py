"""Depth to pictures: near is white; and the normals of a disparity. Needs numpy and OpenCV.

The formulas are those of the maps ControlNets learnt from (lllyasviel/ControlNet, Apache-2.0). Where those divide by
nothing, because a picture has the same depth everywhere, the map is black and a note says so.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from ...core.tiling.notes import describe_pictures
from .edges import to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...core.images.types import Images, Values

Span = tuple[float, float]
"""Values between which a map runs from black to white, or from white to black."""
FLAT = 1e-6
"""Depth that spans less than this part of its largest value is rounding error."""

PERCENTILES = (2, 85)
"""Of the distances, between which ZoeDepth's map runs from white to black."""


class DepthMaps(NamedTuple):
    """Maps uint8 [B, H, W, 3], the finite values behind them, and what the user should know."""

    images: Images
    values: Values
    notes: tuple[str, ...]


def render_disparity(values: Values, span: Span | None = None) -> DepthMaps:
    """Show [B, H, W], larger is nearer: smallest black, largest white, cut off to 8 bit.

    span: what is black and white in place of each picture's own smallest and largest value.
    """
    return _render(values, [_scale_to_unit(plane, span) for plane in _replace_nonfinite(values)])


def render_distance(values: Values, span: Span | None = None) -> DepthMaps:
    """Show [B, H, W] metres: nearest white, furthest black; span: as in `render_disparity`."""
    return _render(values, [_invert(_scale_to_unit(plane, span)) for plane in _replace_nonfinite(values)])


def render_distance_by_percentile(
    values: Values, *, gamma_corrected: bool = False, span: Span | None = None
) -> DepthMaps:
    """Show metres as ZoeDepth's authors do: white up to the 2nd percentile, black from the 85th on.

    gamma_corrected: raise the brightness to the power of 2.2, as controlnet_aux's option of that name. span: white and
    black in place of the percentiles.
    """
    scale = _scale_by_percentiles if span is None else partial(_scale_to_unit, span=span)
    planes = [_invert(scale(plane)) for plane in _replace_nonfinite(values)]
    return _render(values, [plane if plane is None or not gamma_corrected else plane**2.2 for plane in planes])


def find_span(plane: NDArray[np.float32]) -> Span:
    """Smallest and largest value of a plane [H, W]; numbers that are not finite count as 0."""
    finite = _replace_nonfinite(plane)
    return float(finite.min()), float(finite.max())


def find_percentile_span(plane: NDArray[np.float32]) -> Span:
    """The percentiles between which `render_distance_by_percentile` shows a plane [H, W]."""
    near, far = np.percentile(_replace_nonfinite(plane), PERCENTILES)
    return float(near), float(far)


def compute_normals(disparity: Values, strength: float, background_threshold: float) -> Values:
    """Unit normals float32 [B, H, W, 3], x left, y up, z to the viewer, of disparities [B, H, W] as they are.

    n = (Sobel x, Sobel y, strength), normalised: the smaller the strength, the steeper. Sobel's 3 x 3 kernel gives 8
    times the slope. Where the disparity, scaled to 0..1, is below the threshold, the normal is (0, 0, 1).
    """
    return np.stack(
        [_compute_normals(plane, strength, background_threshold) for plane in _replace_nonfinite(disparity)]
    )


def render_normals(vectors: Values) -> Images:
    """Colours uint8 [B, H, W, 3] of unit normals: red z, green y, blue x, the order the 1.0 ControlNet learnt."""
    levels = (vectors * np.float32(127.5) + np.float32(127.5)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels[..., ::-1])


def flat_normal_notes(values: Values) -> tuple[str, ...]:
    """Note on normals of [B, H, W] disparities where one picture has no slope."""
    return flat_notes([index for index, plane in enumerate(_replace_nonfinite(values)) if is_flat(plane)], "level")


def flat_notes(flat: list[int], level: str = "black") -> tuple[str, ...]:
    """Note on pictures, by index, without depth."""
    return describe_pictures(f"the same depth everywhere, so the map is {level}: picture {{}} of the batch", flat)


def is_flat(plane: NDArray[np.float32]) -> bool:
    """Whether a plane [H, W] holds one number, but for rounding."""
    low, high = float(plane.min()), float(plane.max())
    return high - low <= FLAT * max(abs(low), abs(high))


def _replace_nonfinite(values: Values) -> Values:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _scale_to_unit(plane: NDArray[np.float32], span: Span | None = None) -> NDArray[np.float32] | None:
    if span is not None:
        low, high = np.float32(span[0]), np.float32(span[1])
        return None if high <= low else ((plane - low) / (high - low)).clip(0, 1)
    if is_flat(plane):
        return None
    raised = plane - plane.min()
    return raised / raised.max()


def _scale_by_percentiles(plane: NDArray[np.float32]) -> NDArray[np.float32] | None:
    near, far = (np.float32(level) for level in np.percentile(plane, PERCENTILES))
    if far - near <= FLAT * abs(far):
        return _scale_to_unit(plane)
    return ((plane - near) / (far - near)).clip(0, 1)


def _invert(plane: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    return None if plane is None else 1 - plane


def _render(values: Values, planes: list[NDArray[np.float32] | None]) -> DepthMaps:
    flat = [index for index, plane in enumerate(planes) if plane is None]
    black = np.zeros(values.shape[1:], np.float32)
    levels = np.stack([black if plane is None else plane for plane in planes]) * np.float32(255)
    finite = _replace_nonfinite(values)
    notes = flat_notes(flat)
    if not np.array_equal(finite, values):
        notes += ("the network returned numbers that are not finite; they are shown as 0, try --dtype float32",)
    return DepthMaps(to_rgb(levels.clip(0, 255).astype(np.uint8)), finite, notes)


def _compute_normals(plane: NDArray[np.float32], strength: float, background_threshold: float) -> NDArray[np.float32]:
    across, down = (cv2.Sobel(plane, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    vector = np.stack([across.reshape(plane.shape), down.reshape(plane.shape), np.full_like(plane, strength)], axis=-1)
    relative = _scale_to_unit(plane)
    if relative is None:
        vector[..., :2] = 0
    else:
        vector[relative < background_threshold, :2] = 0
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    upright = np.array([0, 0, 1], np.float32)
    return np.where(length > 0, vector / np.where(length > 0, length, 1), upright).astype(np.float32)
