"""Control maps of scenes, drawn from what is known of them, in the colours that ControlNets were trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ...core.images.geometry import Size
from ...core.poses.drawing import draw_pose
from ...core.poses.model import Keypoint, Person, Pose
from ...preprocessors.maps.mlsd_lines import draw_segments
from ...preprocessors.maps.palettes import ADE20K
from .world.truth import encode_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .world.scene import Scene

    Map = NDArray[np.uint8]

TruthKind = Literal["depth", "normals", "seg", "pose", "lines"]
TRUTH_KINDS: tuple[TruthKind, ...] = ("depth", "normals", "seg", "pose", "lines")


def draw_truth(scene: Scene, kind: TruthKind) -> Map:
    """A map of a scene, uint8 [H, W, 3]."""
    if kind == "depth":
        return draw_depth(encode_depth(scene.depth))
    if kind == "normals":
        return draw_normals(scene.normals)
    if kind == "seg":
        return draw_classes(scene.classes)
    return draw_pose(scene.pose) if kind == "pose" else draw_lines(scene.edges, scene.size)


def draw_depth(depth: Map) -> Map:
    """Nearness [H, W] as grey."""
    return np.repeat(depth[..., None], 3, axis=-1)


def draw_normals(normals: NDArray[np.float32]) -> Map:
    """Unit normals [H, W, 3] (right, up, towards the camera) in ScanNet's colours: red is left, as Normal BAE draws."""
    turned = normals * np.array([-1, 1, 1], np.float32)
    return np.rint((turned + 1) * 127.5).clip(0, 255).astype(np.uint8)


def draw_classes(classes: Map) -> Map:
    """ADE20K's classes [H, W] in its colours."""
    return np.frombuffer(ADE20K.palette, np.uint8).reshape(-1, 3)[classes]


def draw_joints(joints: NDArray[np.floating], size: int) -> Map:
    """People's joints [N, 18, 2] in pixels, NaN where there is none, as OpenPose draws them."""
    people = [
        Person(body=tuple(Keypoint(x, y) if x == x else None for x, y in person))
        for person in joints.astype(np.float64).tolist()
        if any(x == x for x, _ in person)
    ]
    return draw_pose(Pose(tuple(people), size, size))


def draw_lines(edges: NDArray[np.floating], size: int) -> Map:
    """Straight edges [N, 4] in pixels, rows of NaN left out, as M-LSD draws them."""
    rows = edges[~np.isnan(edges).any(1)].astype(np.float64)
    return np.repeat(draw_segments(rows, Size(size, size))[..., None], 3, axis=-1)
