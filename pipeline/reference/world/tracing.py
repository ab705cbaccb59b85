"""Which shape each pixel sees, and how far away it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from .camera import EYE, Camera

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .shapes import Shape, Vectors
    from .spec import SceneSpec

SKY, HILLS, GROUND = -3, -2, -1
"""What a pixel sees that is no shape."""
FAR = 60.0
"""Where the ground ends, in metres."""


class View(msgspec.Struct, frozen=True):
    """What the pixels of a picture see.

    rays: unit directions [H, W, 3]. distance: along them in metres, inf for sky and hills. shape: index of the shape,
    or SKY, HILLS, GROUND. Of pixels with a distance, in reading order: points and normals [N, 3] in the world.
    """

    camera: Camera
    rays: Vectors
    distance: Vectors
    shape: NDArray[np.int16]
    points: Vectors
    normals: Vectors

    @property
    def solid(self) -> NDArray[np.bool_]:
        """Pixels with a distance."""
        return self.shape >= GROUND

    @property
    def depth(self) -> Vectors:
        """Distance along the camera's axis in metres, inf for sky and hills."""
        return self.distance * (self.rays @ self.camera.forward)


def trace_view(spec: SceneSpec, shapes: Sequence[Shape], size: int) -> View:
    """Look at a scene through size x size pixels."""
    camera = Camera(spec, size)
    rays = camera.cast_rays()
    with np.errstate(divide="ignore"):
        distance = np.where(rays[..., 2] < -1e-4, -EYE[2] / rays[..., 2], np.inf).astype(np.float32)
    distance[distance > FAR] = np.inf
    seen = np.where(np.isfinite(distance), GROUND, SKY).astype(np.int16)
    if spec.hills:
        seen[(seen == SKY) & (rays[..., 2] < find_ridge(spec, rays))] = HILLS
    for index, shape in enumerate(shapes):
        rows, columns = _find_window(shape, camera)
        window = (slice(*rows), slice(*columns))
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            continue
        part = rays[window]
        found = shape.meet(EYE, part.reshape(-1, 3)).reshape(part.shape[:2])
        nearer = found < distance[window]
        distance[window][nearer] = found[nearer]
        seen[window][nearer] = index
    solid = seen >= GROUND
    points = EYE + rays[solid] * distance[solid][:, None]
    return View(camera, rays, distance, seen, points, _find_normals(shapes, seen[solid], points))


def find_ridge(spec: SceneSpec, rays: Vectors) -> Vectors:
    """Height of the hills' outline in each direction, as the ray's z."""
    a, b, c, d, e = spec.ridge
    azimuth = np.arctan2(rays[..., 0], rays[..., 1])
    waves = 0.6 * np.sin(azimuth * (5 + 3 * b) + 6.3 * c) + 0.3 * np.sin(azimuth * (11 + 4 * d) + 6.3 * e)
    return (0.075 + 0.04 * a + 0.035 * waves).astype(np.float32)


def _find_window(shape: Shape, camera: Camera) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns that a shape's bounding sphere can appear in."""
    x, y, depth = camera.project(shape.centre)
    reach = camera.focus * float(shape.radius) / math.sqrt(max(depth**2 - float(shape.radius) ** 2, 0.1)) * 1.12 + 2
    rows = max(int(y - reach), 0), min(int(y + reach) + 2, camera.size)
    return rows, (max(int(x - reach), 0), min(int(x + reach) + 2, camera.size))


def _find_normals(shapes: Sequence[Shape], seen: NDArray[np.int16], points: Vectors) -> Vectors:
    normals = np.zeros_like(points)
    normals[:, 2] = 1
    for index, shape in enumerate(shapes):
        here = np.nonzero(seen == index)[0]
        if len(here):
            normals[here] = shape.find_normals(points[here])
    return normals
