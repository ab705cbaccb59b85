"""Light and sky of the times of day. Colours are linear RGB."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .shapes import Vectors
    from .spec import SceneSpec

SAMPLES = 8
"""Directions that stand for the disc of the sun or moon."""


class Light(NamedTuple):
    """direction: to the sun or moon; spread: radians of its disc; key and fill: its colour and that of the sky."""

    direction: Vectors
    spread: float
    key: Vectors
    fill: Vectors


class Sky(NamedTuple):
    """Colours at the top and at the horizon, of the hills, and of the ground seen in shadow of the air."""

    top: Vectors
    horizon: Vectors
    hills: Vectors


def _rgb(*values: float) -> Vectors:
    return np.array(values, np.float32)


SKIES = {
    "by day": Sky(_rgb(0.16, 0.40, 0.86), _rgb(0.74, 0.87, 0.97), _rgb(0.24, 0.40, 0.42)),
    "at sunset": Sky(_rgb(0.28, 0.16, 0.42), _rgb(1.0, 0.50, 0.20), _rgb(0.34, 0.15, 0.26)),
    "at night": Sky(_rgb(0.012, 0.022, 0.085), _rgb(0.07, 0.11, 0.27), _rgb(0.035, 0.055, 0.13)),
}


def find_light(spec: SceneSpec) -> Light:
    """The light of a scene."""
    side = 1.0 if spec.sun > 0 else -1.0
    if spec.time == "by day":
        return Light(_unit(spec.sun * 0.9, -0.6, 1.15), 0.10, _rgb(1.05, 0.98, 0.86), _rgb(0.34, 0.42, 0.54))
    if spec.time == "at sunset":
        way = _unit(side * (1.0 + 0.3 * abs(spec.sun)), -0.4, 0.62)
        return Light(way, 0.11, _rgb(1.05, 0.70, 0.42), _rgb(0.38, 0.32, 0.46))
    return Light(_unit(spec.sun * 0.8, -0.6, 1.0), 0.10, _rgb(0.46, 0.54, 0.80), _rgb(0.20, 0.25, 0.46))


def sample_light(light: Light) -> Vectors:
    """Directions over the disc, [SAMPLES, 3]."""
    aside = np.cross(light.direction, np.array([0, 0, 1], np.float32))
    aside /= np.linalg.norm(aside)
    across = np.cross(aside, light.direction)
    index = np.arange(SAMPLES)
    radius = light.spread * np.sqrt((index + 0.5) / SAMPLES)
    angle = index * math.pi * (3 - math.sqrt(5))
    ways = light.direction + (radius * np.cos(angle))[:, None] * aside + (radius * np.sin(angle))[:, None] * across
    return (ways / np.linalg.norm(ways, axis=1, keepdims=True)).astype(np.float32)


def paint_sky(spec: SceneSpec, rays: Vectors) -> Vectors:
    """Colour of the sky in directions [..., 3]."""
    sky = SKIES[spec.time]
    height = np.clip(rays[..., 2:3] * 2.6, 0, 1) ** 0.6
    colour = sky.horizon + (sky.top - sky.horizon) * height
    side = 1.0 if spec.sun > 0 else -1.0
    if spec.time == "at night":
        near = rays @ _unit(0.26 * side * (0.35 + 0.5 * abs(spec.sun)), 1, 0.165)
        disc = _step(near, math.cos(0.058), 0.0002)
        halo = 0.14 * np.clip((near - 0.95) / 0.05, 0, 1)[..., None] ** 2
        return (colour + halo * _rgb(0.7, 0.8, 1)) * (1 - disc) + disc * _rgb(0.93, 0.90, 0.74)
    if spec.time == "at sunset":
        near = rays @ _unit(0.24 * side * (0.3 + 0.6 * abs(spec.sun)), 1, 0.075)
        disc = _step(near, math.cos(0.055), 0.0002)
        halo = 0.35 * np.clip((near - 0.93) / 0.07, 0, 1)[..., None] ** 2
        return (colour + halo * _rgb(0.9, 0.45, 0.1)) * (1 - disc) + disc * _rgb(1.0, 0.80, 0.42)
    return colour


def _step(values: Vectors, edge: float, width: float) -> Vectors:
    return np.clip((values - edge) / width + 0.5, 0, 1)[..., None]


def _unit(x: float, y: float, z: float) -> Vectors:
    return _rgb(x, y, z) / np.float32(math.sqrt(x * x + y * y + z * z))
