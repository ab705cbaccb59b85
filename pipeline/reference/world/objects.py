"""Things of a scene as shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .camera import find_position
from .guests import build_mushroom, build_snowman
from .people import build_person
from .shapes import Capsule, Hull, Sphere, Windows, rotate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shapes import Shape, Vectors
    from .spec import SceneSpec, Thing

PAINT = {
    "red": (0.80, 0.07, 0.06),
    "orange": (0.93, 0.36, 0.04),
    "yellow": (0.93, 0.70, 0.05),
    "green": (0.10, 0.48, 0.12),
    "blue": (0.06, 0.20, 0.78),
    "purple": (0.40, 0.09, 0.60),
    "white": (0.88, 0.88, 0.88),
    "pink": (0.92, 0.36, 0.55),
}
"""Names of colours as linear albedo."""
ROOF, BARK, STONE = (0.33, 0.12, 0.08), (0.24, 0.13, 0.07), (0.36, 0.30, 0.28)
BOX = ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
GABLE = ((0, 1, 2, 3), (0, 1, 5, 4), (3, 2, 5, 4), (0, 3, 4), (1, 2, 5))
SIDES = 9
"""Of a tree's cones."""


def build_shapes(spec: SceneSpec) -> list[Shape]:
    """Every shape of a scene; owner is the index of its thing."""
    shapes: list[Shape] = []
    for index, thing in enumerate(spec.things):
        parts = BUILDERS[thing.kind](thing, np.asarray(PAINT[thing.colour], np.float32))
        for part in parts:
            part.owner = index
            part.gloss = 0.55 if thing.shiny else 0.0
        shapes += parts
    return shapes


def _stand(thing: Thing, corners: Vectors) -> Vectors:
    """Corners about the origin, turned and moved to where the thing stands."""
    x, y = find_position(thing)
    return (corners * thing.size) @ rotate(thing.turn).T + np.array([x, y, 0], np.float32)


def _block(width: float, length: float, low: float, high: float) -> Vectors:
    """Corners of a box from its half width and half length."""
    flat = [(-width, -length), (width, -length), (width, length), (-width, length)]
    return np.array([(x, y, z) for z in (low, high) for x, y in flat], np.float32)


def _paint(shape: Shape, colour: Vectors | tuple[float, float, float]) -> Shape:
    shape.colour = np.asarray(colour, np.float32)
    return shape


def _build_ball(thing: Thing, colour: Vectors) -> list[Shape]:
    x, y = find_position(thing)
    radius = 0.62 * thing.size
    return [_paint(Sphere((x, y, radius), radius), colour)]


def _build_box(thing: Thing, colour: Vectors) -> list[Shape]:
    return [_paint(Hull(_stand(thing, _block(0.52, 0.52, 0, 1.05)), BOX), colour)]


def _build_house(thing: Thing, colour: Vectors) -> list[Shape]:
    x, y = find_position(thing)
    walls = _paint(Hull(_stand(thing, _block(0.74, 0.62, 0, 1.0)), BOX), colour)
    walls.windows = Windows(rotate(thing.turn), np.array([x, y, 0], np.float32), thing.size)
    eaves = [(-0.86, -0.74, 0.97), (0.86, -0.74, 0.97), (0.86, 0.74, 0.97), (-0.86, 0.74, 0.97)]
    roof = np.array([*eaves, (-0.86, 0, 1.68), (0.86, 0, 1.68)], np.float32)
    chimney = _block(0.11, 0.11, 1.2, 1.82) + np.array([0.42, 0.1, 0], np.float32)
    parts = [_paint(Hull(_stand(thing, roof), GABLE), ROOF), _paint(Hull(_stand(thing, chimney), BOX), STONE)]
    return [walls, *parts]


def _build_tree(thing: Thing, colour: Vectors) -> list[Shape]:
    x, y = find_position(thing)
    parts = [_paint(Capsule((x, y, 0), (x, y, 0.6 * thing.size), 0.11 * thing.size), BARK)]
    angles = np.arange(SIDES) * 2 * np.pi / SIDES
    faces = [tuple(range(SIDES)), *((i, (i + 1) % SIDES, SIDES) for i in range(SIDES))]
    for low, radius, height in ((0.42, 0.70, 0.95), (0.92, 0.56, 0.82), (1.4, 0.4, 0.72)):
        ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(SIDES, low)], 1)
        corners = np.concatenate([ring, [[0, 0, low + height]]]).astype(np.float32)
        parts.append(_paint(Hull(_stand(thing, corners), faces), colour))
    return parts


BUILDERS: dict[str, Callable[[Thing, Vectors], list[Shape]]] = {
    "ball": _build_ball,
    "box": _build_box,
    "house": _build_house,
    "tree": _build_tree,
    "person": build_person,
    "mushroom": build_mushroom,
    "snowman": build_snowman,
}
