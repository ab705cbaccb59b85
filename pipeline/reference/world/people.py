"""Little people: where their joints are, and the limbs around them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .camera import find_position
from .shapes import Capsule, Sphere, rotate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .shapes import Shape, Vectors
    from .spec import Thing

SKIN = ((0.90, 0.66, 0.50), (0.66, 0.42, 0.28), (0.36, 0.22, 0.15))
HAIR, TROUSERS, SHOES, EYES = (0.13, 0.08, 0.05), (0.13, 0.15, 0.25), (0.09, 0.07, 0.07), (0.03, 0.02, 0.02)
HIP, SHOULDER, HEAD = 0.76, 1.27, 1.60
UPPER_ARM, FOREARM, LEG = 0.31, 0.29, 0.36
Angles = tuple[float, float]


def find_joints(thing: Thing) -> NDArray[np.float64]:
    """OpenPose's 18 joints and the middle of the head in the world, [19, 3]; the person faces the camera."""
    arms, legs = _pose_limbs(thing)
    head = _vector(thing.limbs[6] * 0.25, -0.02, HEAD)
    nose = head + _vector(0, -0.23, -0.02)
    eyes = [head + _vector(side * 0.085, -0.2, 0.05) for side in (-1, 1)]
    ears = [head + _vector(side * 0.22, 0, 0) for side in (-1, 1)]
    limbs = [*_build_arm(-1, arms[-1]), *_build_arm(1, arms[1]), *_build_leg(-1, legs[-1]), *_build_leg(1, legs[1])]
    points = np.asarray([nose, _vector(0, 0, SHOULDER + 0.04), *limbs, *eyes, *ears, head]) * thing.size
    points[:, 2] += 0.1 * thing.size - min(points[10, 2], points[13, 2])
    x, y = find_position(thing)
    return points @ rotate(thing.turn).T.astype(np.float64) + _vector(x, y, 0)


def build_person(thing: Thing, colour: Vectors) -> list[Shape]:
    """Head, hair, body in the colour, arms, legs."""
    points, size = find_joints(thing), thing.size
    head, hip = points[18], (points[8] + points[11]) / 2
    back = rotate(thing.turn) @ np.array([0, 0.05, 0.065], np.float32)
    shapes = [
        _paint(Sphere(head, 0.235 * size), SKIN[thing.skin]),
        _paint(Sphere(head + back * size, 0.24 * size), HAIR),
        _paint(Capsule(points[1] - _vector(0, 0, 0.19 * size), hip + _vector(0, 0, 0.09 * size), 0.225 * size), colour),
    ]
    shapes += [_paint(Sphere(points[eye], 0.043 * size), EYES) for eye in (14, 15)]
    for a, b, c in ((2, 3, 4), (5, 6, 7)):
        shapes += [_paint(Capsule(points[a], points[b], 0.092 * size), colour)]
        shapes += [_paint(Capsule(points[b], points[c], 0.082 * size), colour)]
        shapes += [_paint(Sphere(points[c], 0.1 * size), SKIN[thing.skin])]
    for a, b, c in ((8, 9, 10), (11, 12, 13)):
        shapes += [_paint(Capsule(points[a], points[b], 0.125 * size), TROUSERS)]
        shapes += [_paint(Capsule(points[b], points[c], 0.105 * size), TROUSERS)]
        toe = points[c] + rotate(thing.turn) @ _vector(0, -0.1, -0.01) * size
        shapes += [_paint(Capsule(points[c], toe, 0.1 * size), SHOES)]
    return shapes


def _vector(x: float, y: float, z: float) -> NDArray[np.float64]:
    return np.array([x, y, z])


def _paint(shape: Shape, colour: Vectors | tuple[float, float, float]) -> Shape:
    shape.colour = np.asarray(colour, np.float32)
    return shape


def _pose_limbs(thing: Thing) -> tuple[dict[int, Angles], dict[int, tuple[float, float, float]]]:
    """Each arm (lift from hanging, bend) and leg (outward, forward, bend) by side: -1 right, 1 left. Radians."""
    j, lead = thing.limbs, thing.leading_hand
    arms = {-1: (0.35 + j[0], 0.1 + j[2]), 1: (0.35 + j[1], 0.1 + j[3])}
    legs = {-1: (0.12 + j[4] * 0.5, 0.0, 0.0), 1: (0.12 + j[5] * 0.5, 0.0, 0.0)}
    if thing.pose == "waving":
        arms[lead] = (1.75 + j[0], 0.95 + j[2])
    elif thing.pose == "with arms up":
        arms = {-1: (2.5 + j[0], 0.2 + j[2]), 1: (2.5 + j[1], 0.2 + j[3])}
    elif thing.pose == "running":
        arms = {lead: (0.9 + j[0], 1.4 + j[2]), -lead: (0.9 + j[1], -1.1 + j[3])}
        legs = {lead: (0.55, 0.8, 1.5), -lead: (0.4 + j[4], -0.1, 0.1)}
    return arms, legs


def _build_arm(side: int, angles: Angles) -> list[NDArray[np.float64]]:
    lift, bend = angles
    shoulder = _vector(side * 0.25, 0, SHOULDER)
    elbow = shoulder + UPPER_ARM * _vector(side * math.sin(lift), -0.08, -math.cos(lift))
    wrist = elbow + FOREARM * _vector(side * math.sin(lift + bend), -0.12, -math.cos(lift + bend))
    return [shoulder, elbow, wrist]


def _build_leg(side: int, angles: tuple[float, float, float]) -> list[NDArray[np.float64]]:
    out, fore, bend = angles
    hip = _vector(side * 0.13, 0, HIP)
    knee = hip + LEG * _vector(side * math.sin(out), -math.sin(fore), -math.cos(fore))
    ankle = knee + LEG * _vector(side * math.sin(out) * 0.4, -math.sin(fore - bend), -math.cos(fore - bend))
    return [hip, knee, ankle]
