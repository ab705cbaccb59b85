"""What is known of a scene besides its picture: classes, visible edges, people's poses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....core.poses.model import Keypoint, Person, Pose
from .people import find_joints
from .shapes import Hull
from .tracing import GROUND, HILLS, SKY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .shapes import Shape
    from .spec import SceneSpec
    from .tracing import View

ADE20K = {
    **{"sky": 2, "tree": 4, "grass": 9, "person": 12, "snow": 13, "house": 25, "sand": 46, "box": 55, "hill": 68},
    "ball": 119,
}
"""ADE20K's numbers. Snow is its earth; a box is its case, because the colour of its box is nearly that of grass."""
GUESTS = {"mushroom": 17, "snowman": 132}
"""ADE20K's plant and sculpture, for things that the judge does not know."""
NEAREST = 3.55
"""Depth in metres of the ground at the lower edge, which is white in depth maps."""
TOLERANCE = 0.12
"""Metres by which a point of an edge or a joint's cover may differ from what the pixel sees."""
JOINT_DEPTH = 0.3
SHORTEST = 4.0
"""Pixels of 128 below which a piece of an edge does not count."""


def find_classes(spec: SceneSpec, shapes: Sequence[Shape], view: View) -> NDArray[np.uint8]:
    """ADE20K class of each pixel, [H, W]."""
    names = [spec.things[shape.owner].kind for shape in shapes]
    numbers = [(ADE20K | GUESTS)[name] for name in [*names, "sky", "hill", spec.ground]]
    assert (SKY, HILLS, GROUND) == (-3, -2, -1)
    return np.array(numbers, np.uint8)[view.shape]


def find_owners(shapes: Sequence[Shape], view: View) -> NDArray[np.int8]:
    """Index of the thing that each pixel sees, -1 where it sees none, [H, W]."""
    owners = np.array([shape.owner for shape in shapes] + [-1, -1, -1], np.int8)
    return owners[view.shape]


def encode_depth(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Depth map as annotators draw it: nearness (1 / metres), near white, sky black, [H, W]."""
    nearness = NEAREST / np.maximum(depth, NEAREST)
    return np.rint(255 * np.where(np.isfinite(depth), nearness, 0)).astype(np.uint8)


def find_pose(spec: SceneSpec, view: View, owners: NDArray[np.int8]) -> Pose:
    """People in pixels; joints outside the picture or behind something else are not there."""
    size = view.camera.size
    depth = view.depth
    people: list[Person] = []
    for index, thing in enumerate(spec.things):
        if thing.kind != "person":
            continue
        joints = view.camera.project(find_joints(thing)[:18])
        body: list[Keypoint | None] = []
        for x, y, far in joints.tolist():
            inside = 0 <= x < size and 0 <= y < size
            at = (int(y), int(x)) if inside else (0, 0)
            free = owners[at] in (index, -1) or depth[at] > far - JOINT_DEPTH
            body.append(Keypoint(x, y) if inside and free else None)
        if any(body):
            people.append(Person(body=tuple(body)))
    return Pose(tuple(people), size, size)


def find_edges(shapes: Sequence[Shape], view: View) -> NDArray[np.float32]:
    """Visible pieces of the straight edges of boxes, houses and trees, [N, 4]: x1, y1, x2, y2 in pixels."""
    pieces: list[tuple[float, float, float, float]] = []
    depth = view.depth
    for shape in shapes:
        if isinstance(shape, Hull):
            for a, b in sorted(shape.edges):
                line = view.camera.project(np.linspace(shape.corners[a], shape.corners[b], 33))
                pieces += _split_line(line, depth)
    lines = np.array(pieces, np.float32).reshape(-1, 4)
    length = np.hypot(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    return lines[length >= SHORTEST * view.camera.size / 128]


def _split_line(line: NDArray[np.float64], depth: NDArray[np.float32]) -> list[tuple[float, float, float, float]]:
    """Runs of points of a line that the picture shows."""
    size = len(depth)
    free = [_is_visible(x, y, far, depth) if 0 <= x < size and 0 <= y < size else False for x, y, far in line.tolist()]
    pieces: list[tuple[float, float, float, float]] = []
    start: int | None = None
    for index, seen in enumerate([*free, False]):
        if seen and start is None:
            start = index
        elif not seen and start is not None:
            (x1, y1), (x2, y2) = line[start, :2].tolist(), line[index - 1, :2].tolist()
            pieces.append((x1, y1, x2, y2))
            start = None
    return pieces


def _is_visible(x: float, y: float, far: float, depth: NDArray[np.float32]) -> bool:
    row, column = int(y), int(x)
    around = depth[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return bool((np.abs(around - far) < TOLERANCE).any())
