"""Shapes that rays meet: sphere, capsule and convex hull. Lengths in metres, x right, y away from the camera, z up."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.floating[Any]]

NEAR = 1e-3
"""Distance below which a ray does not meet what it starts from."""


class Shape(ABC):
    """A solid with a bounding sphere. colour: linear albedo; owner: index of the thing; gloss: 0 matt to 1 mirror."""

    def __init__(self, centre: Any, radius: float) -> None:
        self.centre: Vectors = np.asarray(centre, np.float32)
        self.radius = np.float32(radius)
        self.colour: Vectors = np.ones(3, np.float32)
        self.owner = 0
        self.gloss = 0.0
        self.windows: Windows | None = None

    @abstractmethod
    def meet(self, origin: Vectors, direction: Vectors) -> Vectors:
        """Distance along unit rays, inf where they miss. origin [N, 3] or [3], direction [N, 3] or [3]; one has N."""

    @abstractmethod
    def find_normals(self, points: Vectors) -> Vectors:
        """Unit normals [N, 3] at points of the surface [N, 3]."""


class Windows:
    """Door and windows of a house: where its walls are painted. axes: rows are the house's directions."""

    def __init__(self, axes: Vectors, origin: Vectors, size: float) -> None:
        self.axes, self.origin, self.size = axes, origin, size

    def find(self, points: Vectors) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which points [N, 3] are door, and which are window."""
        x, y, z = ((points - self.origin) @ self.axes / self.size).T
        front, side = y < -0.615, np.abs(x) > 0.735
        door = front & (np.abs(x) < 0.16) & (z < 0.6)
        window = front & (np.abs(np.abs(x) - 0.46) < 0.15) & (np.abs(z - 0.62) < 0.16)
        return door, window | (side & (np.abs(y) < 0.2) & (np.abs(z - 0.6) < 0.17))


def dot(a: Vectors, b: Vectors) -> Vectors:
    """Products of vectors along the last axis; one may be a single vector."""
    if b.ndim == 1:
        return a @ b
    return b @ a if a.ndim == 1 else np.einsum("ij,ij->i", a, b)


def rotate(angle: float) -> Vectors:
    """Rotation about the vertical, 3 x 3."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


class Sphere(Shape):
    """A ball."""

    def meet(self, origin: Vectors, direction: Vectors) -> Vectors:
        """As declared."""
        return _meet_ball(origin - self.centre, direction, self.radius)

    def find_normals(self, points: Vectors) -> Vectors:
        """As declared."""
        return (points - self.centre) / self.radius


class Capsule(Shape):
    """A limb: all points within a radius of a segment."""

    def __init__(self, start: Any, end: Any, radius: float) -> None:
        self.start, self.end = np.asarray(start, np.float32), np.asarray(end, np.float32)
        self.thickness = np.float32(radius)
        super().__init__((self.start + self.end) / 2, float(np.linalg.norm(self.end - self.start)) / 2 + radius)

    def meet(self, origin: Vectors, direction: Vectors) -> Vectors:
        """As declared: the round wall, or else the nearer end."""
        axis, start = self.end - self.start, origin - self.start
        length, along, lift = axis @ axis, dot(direction, axis), dot(start, axis)
        a = length - along * along
        b = length * dot(direction, start) - lift * along
        c = length * (dot(start, start) - self.thickness**2) - lift * lift
        inside = b * b - a * c
        wall = (-b - np.sqrt(np.maximum(inside, 0))) / np.maximum(a, 1e-9)
        height = lift + wall * along
        ends = np.minimum(
            _meet_ball(start, direction, self.thickness), _meet_ball(start - axis, direction, self.thickness)
        )
        body = (inside > 0) & (height > 0) & (height < length) & (wall > NEAR)
        return np.where(body, wall, np.where(inside > 0, ends, np.inf)).astype(np.float32)

    def find_normals(self, points: Vectors) -> Vectors:
        """As declared."""
        axis = self.end - self.start
        share = np.clip((points - self.start) @ axis / (axis @ axis), 0, 1)
        return (points - self.start - share[:, None] * axis) / self.thickness


class Hull(Shape):
    """A convex body of flat faces, each given by the numbers of its corners."""

    def __init__(self, corners: Any, faces: Sequence[Sequence[int]]) -> None:
        self.corners: Vectors = np.asarray(corners, np.float32)
        self.faces = tuple(tuple(face) for face in faces)
        middle = (self.corners.min(0) + self.corners.max(0)) / 2
        super().__init__(middle, float(np.linalg.norm(self.corners - middle, axis=1).max()))
        planes = [_find_plane(self.corners, face) for face in self.faces]
        self.normals = np.array([normal for normal, _ in planes], np.float32)
        self.offsets = np.array([offset for _, offset in planes], np.float32)

    @property
    def edges(self) -> set[tuple[int, int]]:
        """Pairs of corners that an edge joins, each once."""
        pairs = ((a, b) for face in self.faces for a, b in zip(face, face[1:] + face[:1], strict=True))
        return {(min(pair), max(pair)) for pair in pairs}

    def meet(self, origin: Vectors, direction: Vectors) -> Vectors:
        """As declared: where the last of the front faces is entered, if that is before a back face is left."""
        slope = direction @ self.normals.T
        gap = self.offsets - origin @ self.normals.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = gap / slope
        front = slope < 0
        enter = np.where(front, distance, -np.inf).max(-1)
        leave = np.where(slope > 0, distance, np.where(~front & (gap < 0), -np.inf, np.inf)).min(-1)
        return np.where((enter < leave) & (enter > NEAR), enter, np.inf).astype(np.float32)

    def find_normals(self, points: Vectors) -> Vectors:
        """As declared: those of the nearest face."""
        return self.normals[np.argmax(points @ self.normals.T - self.offsets, axis=-1)]


def _meet_ball(start: Vectors, direction: Vectors, radius: np.float32) -> Vectors:
    b = dot(direction, start)
    inside = b * b - (dot(start, start) - radius * radius)
    distance = -b - np.sqrt(np.maximum(inside, 0))
    return np.where((inside > 0) & (distance > NEAR), distance, np.inf).astype(np.float32)


def _find_plane(corners: Vectors, face: Sequence[int]) -> tuple[Vectors, float]:
    a, b, c = (corners[index] for index in face[:3])
    normal = np.cross(b - a, c - a)
    normal = normal / np.linalg.norm(normal)
    offset = float(normal @ a)
    return (-normal, -offset) if float(normal @ corners.mean(0)) > offset else (normal, offset)
