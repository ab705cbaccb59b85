"""Light on what the pixels see: soft shadows, contact shadows, gloss, haze."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from .tracing import GROUND, HILLS
from .weather import SAMPLES, SKIES, find_light, paint_sky, sample_light

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .shapes import Shape, Vectors
    from .spec import SceneSpec
    from .tracing import View

GROUNDS = {"grass": (0.17, 0.40, 0.08), "sand": (0.74, 0.56, 0.29), "snow": (0.70, 0.75, 0.84)}
DOOR, PANE, LAMP = (0.17, 0.08, 0.04), (0.24, 0.42, 0.58), (1.0, 0.74, 0.28)
OFFSET = 2e-3
"""Metres above its surface from which a point looks at the light."""


class Surface(msgspec.Struct, frozen=True):
    """Of solid pixels [N]: colour (albedo) and glow [N, 3], gloss, shadow (share of the light hidden), contact."""

    colour: Vectors
    glow: NDArray[np.bool_]
    gloss: Vectors
    shadow: Vectors
    contact: Vectors


def find_surface(spec: SceneSpec, shapes: Sequence[Shape], view: View) -> Surface:
    """Everything that light needs to know of the solid pixels."""
    seen = view.shape[view.solid]
    colour = np.zeros_like(view.points)
    gloss = np.zeros(len(seen), np.float32)
    glow = np.zeros(len(seen), np.bool_)
    floor = seen == GROUND
    colour[floor] = _paint_ground(spec, view.points[floor])
    for index, shape in enumerate(shapes):
        here = np.nonzero(seen == index)[0]
        if not len(here):
            continue
        colour[here], gloss[here] = shape.colour, shape.gloss
        if shape.windows is not None:
            door, window = shape.windows.find(view.points[here])
            colour[here[door]] = DOOR
            colour[here[window]] = PANE if spec.time == "by day" else LAMP
            glow[here[window]] = spec.time != "by day"
    return Surface(colour, glow, gloss, _cast_shadows(spec, shapes, view), _find_contact(shapes, view))


def shade(spec: SceneSpec, view: View, surface: Surface) -> Vectors:
    """Linear RGB [H, W, 3] of the whole view."""
    picture = paint_background(spec, view)
    light = find_light(spec)
    facing = np.maximum(view.normals @ light.direction, 0) * (1 - surface.shadow)
    ground = np.asarray(GROUNDS[spec.ground], np.float32)
    up = view.normals[:, 2:3]
    fill = light.fill * (0.74 + 0.26 * up) + 0.16 * ground * light.key * (0.5 - 0.5 * up)
    colour = surface.colour * (fill * surface.contact[:, None] + light.key * facing[:, None])
    _add_gloss(spec, view, surface, colour)
    colour[surface.glow] = surface.colour[surface.glow]
    haze = 1 - np.exp(-np.maximum(view.distance[view.solid] - 7, 0) * 0.03)
    picture[view.solid] = colour + (SKIES[spec.time].horizon - colour) * haze[:, None]
    return picture


def paint_background(spec: SceneSpec, view: View) -> Vectors:
    """Sky and hills, [H, W, 3]."""
    picture = paint_sky(spec, view.rays).astype(np.float32)
    hills = view.shape == HILLS
    height = np.clip(view.rays[hills][:, 2:3] / 0.14, 0, 1)
    sky = SKIES[spec.time]
    picture[hills] = sky.hills + (sky.horizon - sky.hills) * 0.45 * (1 - height)
    return picture


def encode_srgb(linear: Vectors) -> NDArray[np.float32]:
    """Display values 0 to 1, with a soft shoulder instead of clipping."""
    soft = np.where(linear < 0.7, linear, 0.7 + 0.3 * (1 - np.exp(-(np.maximum(linear, 0.7) - 0.7) / 0.3)))
    return np.clip(soft, 0, 1).astype(np.float32) ** np.float32(1 / 1.8)


def _paint_ground(spec: SceneSpec, points: Vectors) -> Vectors:
    waves = np.sin(points[:, 0] * 1.7 + 1.3 * np.sin(points[:, 1] * 0.9)) * np.sin(points[:, 1] * 1.3)
    return np.asarray(GROUNDS[spec.ground], np.float32) * (1 + 0.06 * waves)[:, None]


def _cast_shadows(spec: SceneSpec, shapes: Sequence[Shape], view: View) -> Vectors:
    """Neighbouring pixels look at different parts of the light; a block of 2 x 2 sees all of it."""
    light = find_light(spec)
    ways = sample_light(light)
    rows, columns = np.nonzero(view.solid)
    cell = (rows % 2) * 2 + columns % 2
    lit = view.normals @ light.direction > 0
    hidden = np.zeros(len(view.points), np.float32)
    start = view.points + view.normals * OFFSET
    for index, way in enumerate(ways):
        here = np.nonzero((cell == index % 4) & lit)[0]
        hidden[here] += _find_shadow(shapes, start[here], way) * (4 / SAMPLES)
    return hidden


def _find_shadow(shapes: Sequence[Shape], start: Vectors, way: Vectors) -> NDArray[np.bool_]:
    shadow = np.zeros(len(start), np.bool_)
    along, square = start @ way, np.einsum("ij,ij->i", start, start)
    for shape in shapes:
        lift = along - np.float32(shape.centre @ way)
        apart = square - 2 * (start @ shape.centre) + np.float32(shape.centre @ shape.centre)
        near = (apart - lift * lift < shape.radius**2) & (lift < shape.radius) & ~shadow
        here = np.nonzero(near)[0]
        if len(here):
            shadow[here] = np.isfinite(shape.meet(start[here], way))
    return shadow


def _find_contact(shapes: Sequence[Shape], view: View) -> Vectors:
    """How open the sky is, 0.4 to 1: each thing covers a part of it, as a sphere of its size would."""
    seen = view.shape[view.solid]
    owners = np.array([shape.owner for shape in shapes] + [-1])[np.maximum(seen, -1)]
    openness = np.ones(len(seen), np.float32)
    for owner in {shape.owner for shape in shapes}:
        own = [shape for shape in shapes if shape.owner == owner]
        low = np.min([shape.centre - shape.radius for shape in own], 0)
        high = np.max([shape.centre + shape.radius for shape in own], 0)
        middle = (low + high) / 2
        middle[2] = max(float(middle[2]) * 0.7, 0.3)
        reach = 0.36 * float(max(high[0] - low[0], 1.0))
        way = middle - view.points
        square = np.maximum(np.einsum("ij,ij->i", way, way), 1e-3)
        cover = np.clip(np.einsum("ij,ij->i", view.normals, way) / np.sqrt(square), 0, 1) * reach**2 / square
        openness *= 1 - np.clip(cover * 1.15, 0, 0.6) * (owners != owner)
    return openness * (0.82 + 0.18 * np.clip(view.points[:, 2] / 0.5, 0, 1) ** np.where(owners >= 0, 1, 0))


def _add_gloss(spec: SceneSpec, view: View, surface: Surface, colour: Vectors) -> None:
    """Reflection of sky and ground, and a highlight."""
    here = np.nonzero(surface.gloss > 0)[0]
    if not len(here):
        return
    light, ground = find_light(spec), np.asarray(GROUNDS[spec.ground], np.float32)
    ray, normal = view.rays[view.solid][here], view.normals[here]
    facing = np.einsum("ij,ij->i", ray, normal)[:, None]
    bounce = ray - 2 * facing * normal
    share = surface.gloss[here][:, None] * (0.22 + 0.78 * (1 - np.clip(-facing, 0, 1)) ** 3)
    around = np.where(bounce[:, 2:3] > 0, paint_sky(spec, bounce), ground * (light.fill + light.key * 0.5))
    spot = np.clip(bounce @ light.direction, 0, 1) ** 70 * (1 - surface.shadow[here])
    colour[here] = colour[here] * (1 - 0.5 * share) + around * share + light.key * 1.2 * spot[:, None]
