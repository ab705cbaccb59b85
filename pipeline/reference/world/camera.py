"""The camera of every scene: at eye height, looking a little down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .shapes import rotate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .spec import SceneSpec, Thing

EYE = np.array([0, -6.3, 1.6], np.float32)
PITCH, FIELD = -0.075, math.radians(36)
PLACE_GAP = 40.0 / 128
"""Widths of the picture between two places."""


def find_focus() -> float:
    """Focal length in widths of the picture."""
    return 0.5 / math.tan(FIELD / 2)


def find_position(thing: Thing) -> tuple[float, float]:
    """Where on the ground a thing stands so that it appears in its place."""
    aside = (thing.place - 1) * PLACE_GAP + thing.aside / 128
    distance = thing.depth - float(EYE[1])
    return aside * distance / find_focus(), thing.depth


class Camera:
    """View of a scene as a square picture. right, up, forward: unit vectors of the world."""

    def __init__(self, spec: SceneSpec, size: int) -> None:
        turn = rotate(spec.pan)
        self.size, self.focus = size, find_focus() * size
        self.right = turn @ np.array([1, 0, 0], np.float32)
        self.forward = turn @ np.array([0, math.cos(PITCH), math.sin(PITCH)], np.float32)
        self.up = np.cross(self.right, self.forward).astype(np.float32)

    def cast_rays(self) -> NDArray[np.float32]:
        """Unit directions through the middle of every pixel, [size, size, 3]."""
        steps = (np.arange(self.size, dtype=np.float32) + 0.5 - self.size / 2) / np.float32(self.focus)
        rays = self.forward + steps[None, :, None] * self.right - steps[:, None, None] * self.up
        return (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)

    def project(self, points: Any) -> NDArray[np.float64]:
        """Points [..., 3] in pixels, 0 being the left or upper edge, and their depth in metres: [..., 3]."""
        way = np.asarray(points, np.float64) - EYE
        depth = way @ self.forward
        x = self.size / 2 + self.focus * (way @ self.right) / depth
        return np.stack([x, self.size / 2 - self.focus * (way @ self.up) / depth, depth], -1)

    def to_camera(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Directions of the world [..., 3] as right, up, towards the camera."""
        return normals @ np.stack([self.right, self.up, -self.forward], 1)
