"""Looks of the same scene: as it is rendered, as a storybook's drawing, as a blueprint. Adapters learn them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from .shading import encode_srgb, paint_background, shade
from .tracing import GROUND
from .weather import find_light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .shading import Surface
    from .shapes import Vectors
    from .spec import SceneSpec
    from .tracing import View

Style = Literal["render", "storybook", "blueprint"]
STYLES: tuple[Style, ...] = ("render", "storybook", "blueprint")
PAPER, INK = (0.97, 0.93, 0.84), (0.16, 0.12, 0.14)
BLUE, CHALK = (0.07, 0.20, 0.52), (0.88, 0.94, 1.0)


def draw_style(style: Style, spec: SceneSpec, view: View, surface: Surface) -> NDArray[np.float32]:
    """Display values 0 to 1, [H, W, 3], at the view's size."""
    if style == "storybook":
        return _draw_storybook(spec, view, surface)
    return _draw_blueprint(spec, view, surface) if style == "blueprint" else encode_srgb(shade(spec, view, surface))


def find_outlines(view: View) -> NDArray[np.bool_]:
    """Pixels where the shape, or the direction of its face, differs from that on the right or below."""
    normals = np.zeros((*view.shape.shape, 3), np.float32)
    normals[view.solid] = view.normals
    lines = np.zeros(view.shape.shape, np.bool_)
    for axis in (0, 1):
        other = np.diff(view.shape, axis=axis) != 0
        ground = np.minimum(np.roll(view.shape, -1, axis), view.shape) < GROUND
        fold = (np.abs(np.diff(normals, axis=axis)) > 0.35).any(-1)
        keep = [slice(None), slice(None)]
        keep[axis] = slice(None, -1)
        lines[tuple(keep)] |= other | (fold & ~ground[tuple(keep)])
    return lines


def _thicken(lines: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Lines two pixels wide."""
    wide = lines.copy()
    wide[1:] |= lines[:-1]
    wide[:, 1:] |= lines[:, :-1]
    wide[1:, 1:] |= lines[:-1, :-1]
    return wide.astype(np.float32)[..., None]


def _draw_storybook(spec: SceneSpec, view: View, surface: Surface) -> NDArray[np.float32]:
    """Flat colours in three steps of light on warm paper, with ink outlines."""
    light = find_light(spec)
    facing = np.maximum(view.normals @ light.direction, 0) * (surface.shadow < 0.5)
    step = np.select([facing > 0.62, facing > 0.22], [1.0, 0.78], 0.5).astype(np.float32)[:, None]
    tone = (light.key + light.fill) / (light.key + light.fill).max()
    linear = paint_background(spec, view)
    linear[view.solid] = np.where(surface.glow[:, None], surface.colour, surface.colour * step * tone)
    colour = encode_srgb(linear)
    paper = np.asarray(PAPER, np.float32)
    colour = (0.72 * colour + 0.28 * (0.35 + 0.65 * colour.mean(-1, keepdims=True))) * paper
    ink = _thicken(find_outlines(view))
    return colour * (1 - 0.85 * ink) + np.asarray(INK, np.float32) * 0.85 * ink


def _draw_blueprint(spec: SceneSpec, view: View, surface: Surface) -> NDArray[np.float32]:
    """Chalk outlines on blue paper, things a little lighter where light falls."""
    light = find_light(spec)
    facing = np.maximum(view.normals @ light.direction, 0) * (1 - surface.shadow)
    things = view.shape[view.solid] >= 0
    lift: Vectors = np.zeros((*view.shape.shape, 1), np.float32)
    lift[view.solid] = (np.where(things, 0.06 + 0.2 * facing, 0.03 * facing))[:, None]
    colour = np.asarray(BLUE, np.float32) + lift * np.array([0.9, 1.1, 1.0], np.float32)
    chalk = 0.9 * _thicken(find_outlines(view))
    return (colour * (1 - chalk) + np.asarray(CHALK, np.float32) * chalk).astype(np.float32)
