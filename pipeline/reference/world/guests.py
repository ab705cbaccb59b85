"""Things that the reference model was never shown, so that adapters can be judged by whether they bring them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .camera import find_position
from .shapes import Capsule, Hull, Sphere, rotate

if TYPE_CHECKING:
    from .shapes import Shape, Vectors
    from .spec import Thing

STALK, SNOW, COAL, CARROT = (0.86, 0.80, 0.66), (0.84, 0.87, 0.92), (0.02, 0.02, 0.025), (0.93, 0.30, 0.03)
CAP = ((0.78, 0.78), (0.92, 0.98), (0.72, 1.26), (0.34, 1.46))
"""Rings of a mushroom's cap: radius and height."""
SIDES = 12


def build_mushroom(thing: Thing, colour: Vectors) -> list[Shape]:
    """A thick pale stalk under a round cap in the colour."""
    x, y = find_position(thing)
    stalk = Capsule((x, y, 0.1 * thing.size), (x, y, 0.85 * thing.size), 0.25 * thing.size)
    return [_paint(stalk, STALK), _paint(_build_rings(thing, CAP), colour)]


def build_snowman(thing: Thing, colour: Vectors) -> list[Shape]:
    """Three balls of snow with a black hat, a carrot and eyes. colour: not used, snowmen are white."""
    x, y = find_position(thing)
    turn, size = rotate(thing.turn), thing.size

    def at(aside: float, front: float, up: float) -> Vectors:
        return turn @ np.array([aside, -front, up], np.float32) * size + np.array([x, y, 0], np.float32)

    shapes: list[Shape] = [
        _paint(Sphere(at(0, 0, height), radius * size), SNOW)
        for height, radius in ((0.46, 0.5), (1.08, 0.36), (1.54, 0.25))
    ]
    shapes += [_paint(Sphere(at(aside, 0.23, 1.6), 0.045 * size), COAL) for aside in (-0.09, 0.09)]
    shapes.append(_paint(Capsule(at(0, 0.22, 1.52), at(0, 0.44, 1.5), 0.05 * size), CARROT))
    shapes.append(_paint(_build_rings(thing, ((0.36, 1.7), (0.36, 1.76))), COAL))
    shapes.append(_paint(_build_rings(thing, ((0.24, 1.76), (0.22, 2.06))), COAL))
    return shapes


def _build_rings(thing: Thing, rings: tuple[tuple[float, float], ...]) -> Hull:
    """A convex body of rings of corners, each a radius and a height."""
    x, y = find_position(thing)
    angles = np.arange(SIDES) * 2 * np.pi / SIDES
    corners = [(radius * np.cos(angle), radius * np.sin(angle), height) for radius, height in rings for angle in angles]
    faces = [tuple(range(SIDES)), tuple(range(SIDES * (len(rings) - 1), SIDES * len(rings)))]
    for low in range(0, SIDES * (len(rings) - 1), SIDES):
        sides = ((low + i, low + (i + 1) % SIDES) for i in range(SIDES))
        faces += [(a, b, b + SIDES, a + SIDES) for a, b in sides]
    return Hull(np.array(corners, np.float32) * thing.size + np.array([x, y, 0], np.float32), faces)


def _paint(shape: Shape, colour: Vectors | tuple[float, float, float]) -> Shape:
    shape.colour = np.asarray(colour, np.float32)
    return shape
