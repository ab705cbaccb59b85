"""A scene: its picture and the truth about it.

>>> scene = render_scene(7)
>>> scene.picture.shape, scene.depth.shape
((128, 128, 3), (128, 128))
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from . import truth
from .captions import describe_scene
from .objects import build_shapes
from .shading import find_surface
from .spec import Kind, SceneSpec, invite_guest, sample_spec
from .styles import Style, draw_style
from .tracing import View, trace_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ....core.poses.model import Pose

SIZE = 128
FINER = 2
"""Rays per pixel and direction of the picture; the truth is that of the middle of each pixel."""


class Scene:
    """A scene from its description. Everything is computed on demand, once; sizes are H = W = size, lengths metres."""

    def __init__(self, spec: SceneSpec, size: int = SIZE) -> None:
        self.spec, self.size = spec, size
        self.shapes = build_shapes(spec)

    @cached_property
    def caption(self) -> str:
        """In words."""
        return describe_scene(self.spec)

    @cached_property
    def _view(self) -> View:
        return trace_view(self.spec, self.shapes, self.size)

    def draw(self, style: Style = "render") -> NDArray[np.uint8]:
        """The picture in a style, uint8 [H, W, 3] RGB."""
        return self.draw_all((style,))[0]

    def draw_all(self, styles: tuple[Style, ...]) -> list[NDArray[np.uint8]]:
        """The picture in several styles, for little more than one."""
        view = trace_view(self.spec, self.shapes, self.size * FINER)
        surface = find_surface(self.spec, self.shapes, view)
        parts = (self.size, FINER, self.size, FINER, 3)
        pictures = (draw_style(style, self.spec, view, surface).reshape(parts).mean((1, 3)) for style in styles)
        return [np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8) for picture in pictures]

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """As it is rendered, uint8 [H, W, 3] RGB."""
        return self.draw()

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Distance along the camera's axis, inf for sky and hills, [H, W]."""
        return self._view.depth

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """Unit normals as right, up, towards the camera; those of sky and hills face it, [H, W, 3]."""
        normals = np.zeros((self.size, self.size, 3), np.float32)
        normals[..., 2] = 1
        normals[self._view.solid] = self._view.camera.to_camera(self._view.normals)
        return normals / np.linalg.norm(normals, axis=-1, keepdims=True)

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """ADE20K class of each pixel, [H, W]."""
        return truth.find_classes(self.spec, self.shapes, self._view)

    @cached_property
    def owners(self) -> NDArray[np.int8]:
        """Index of the thing that each pixel sees, -1 for none, [H, W]."""
        return truth.find_owners(self.shapes, self._view)

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Visible pixels of each thing, [N, H, W]."""
        return np.arange(len(self.spec.things))[:, None, None] == self.owners

    @cached_property
    def pose(self) -> Pose:
        """People's 18 keypoints in pixels, as far as they are visible."""
        return truth.find_pose(self.spec, self._view, self.owners)

    @cached_property
    def edges(self) -> NDArray[np.float32]:
        """Visible pieces of straight edges of boxes, houses and trees, x1, y1, x2, y2 in pixels, [N, 4]."""
        return truth.find_edges(self.shapes, self._view)


def render_scene(seed: int, size: int = SIZE, guest: Kind | None = None) -> Scene:
    """The scene of a seed. The same seed is the same scene, everywhere. guest: kind that takes the place of a thing."""
    spec = sample_spec(np.random.default_rng(seed))
    return Scene(spec if guest is None else invite_guest(spec, guest), size)
