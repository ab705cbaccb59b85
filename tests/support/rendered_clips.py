"""Rendered clips whose motion is known: a camera that turns, a ball that passes, a person who walks; and measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import msgspec
import numpy as np

from underdrawing.pipeline.reference.world.camera import EYE, Camera
from underdrawing.pipeline.reference.world.scene import Scene
from underdrawing.pipeline.reference.world.spec import SceneSpec, Thing
from underdrawing.pipeline.reference.world.tracing import trace_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from underdrawing.core.poses.model import Pose

THINGS = (
    Thing(kind="house", place=0, colour="red", depth=1.0, turn=0.4),
    Thing(kind="tree", place=2, colour="green", depth=0.5),
    Thing(kind="ball", place=1, colour="yellow", depth=-0.6),
)


class Motion(NamedTuple):
    """Where each pixel lay in the frame before, [H, W, 2] in pixels right and down, and where that is known."""

    flow: NDArray[np.float32]
    known: NDArray[np.bool_]


class RenderedFrame(NamedTuple):
    """picture: uint8 [H, W, 3]. nearness: 1 / distance in metres, 0 for the sky. motion: None in the first frame."""

    picture: NDArray[np.uint8]
    nearness: NDArray[np.float32]
    motion: Motion | None
    pose: Pose


def turn_camera(count: int, size: int, step: float = 0.006) -> Iterator[RenderedFrame]:
    """A camera that turns by step radians a frame about its eye, so that no distance changes."""
    previous: Camera | None = None
    for number in range(count):
        spec = SceneSpec(things=THINGS, pan=(number - count / 2) * step, hills=True)
        frame = _render(spec, size)
        camera = Camera(spec, size)
        motion = None if previous is None else _find_turn(camera, previous)
        yield frame._replace(motion=motion)
        previous = camera


def _find_turn(camera: Camera, previous: Camera) -> Motion:
    there = previous.project(EYE + camera.cast_rays())[..., :2]
    middles = np.stack(np.meshgrid(np.arange(camera.size), np.arange(camera.size)), -1) + 0.5
    inside = ((there > 1) & (there < camera.size - 1)).all(-1)
    return Motion((there - middles).astype(np.float32), np.asarray(inside))


def pass_by(count: int, size: int) -> Iterator[RenderedFrame]:
    """A near ball that rolls through a still picture, out of sight at both ends: known is what it does not hide."""
    hidden: NDArray[np.bool_] | None = None
    for number in range(count):
        ball = msgspec.structs.replace(THINGS[2], aside=(number / (count - 1) - 0.5) * 180, depth=-2.2)
        spec = SceneSpec(things=(*THINGS[:2], ball), hills=True)
        frame, own = _render(spec, size), Scene(spec, size).owners == 2
        still = np.zeros((size, size, 2), np.float32)
        yield frame._replace(motion=None if hidden is None else Motion(still, ~(own | hidden)))
        hidden = own


def walk(count: int, size: int) -> Iterator[RenderedFrame]:
    """A person who walks from left to right and swings arms and legs."""
    for number in range(count):
        swing = float(np.sin(number / 4)) * 0.25
        person = Thing(
            kind="person",
            place=1,
            colour="blue",
            aside=(number - count / 2) * 0.8,
            limbs=(swing, -swing, 0.1, 0.1, swing, -swing, 0.0),
        )
        yield _render(SceneSpec(things=(person,)), size)


def _render(spec: SceneSpec, size: int) -> RenderedFrame:
    scene = Scene(spec, size)
    view = trace_view(spec, scene.shapes, size)
    nearness = np.where(np.isfinite(view.distance), 1 / np.maximum(view.distance, 1e-3), 0).astype(np.float32)
    return RenderedFrame(scene.picture, nearness, None, scene.pose)


def disturb(nearness: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Nearness as networks of relative depth give it: another scale and shift in each frame, and soft errors."""
    soft = cv2.GaussianBlur(rng.normal(0, 1, nearness.shape).astype(np.float32), (0, 0), 6)
    spread = float(np.ptp(nearness))
    errors = soft / soft.std() * 0.01 * spread
    return ((nearness + errors) * rng.uniform(0.7, 1.4) + rng.uniform(-0.3, 0.3) * spread).astype(np.float32)


def measure_warp_error(maps: Sequence[NDArray[Any]], motions: Sequence[Motion | None]) -> float:
    """Mean change of maps [H, W] of 0..255 between frames beyond the known motion, as a share of the whole range."""
    changes: list[float] = []
    for before, after, motion in zip(maps, maps[1:], motions[1:], strict=False):
        assert motion is not None
        moved = warp(before, motion)
        changes.append(float(np.abs(after.astype(np.float32) - moved)[motion.known].mean()) / 255)
    return float(np.mean(changes))


def measure_flicker(maps: Sequence[NDArray[Any]], motions: Sequence[Motion | None]) -> float:
    """Share of white pixels without one within a pixel of their place in the frame before."""
    shares: list[float] = []
    for before, after, motion in zip(maps, maps[1:], motions[1:], strict=False):
        assert motion is not None
        near = warp(cv2.dilate(before, np.ones((3, 3), np.uint8)), motion) > 63
        white = (after > 127) & motion.known
        shares.append(float((white & ~near).sum() / max(1, white.sum())))
    return float(np.mean(shares))


def warp(plane: NDArray[Any], motion: Motion) -> NDArray[np.float32]:
    """A map of the frame before as the frame at hand would show it."""
    rows, columns = np.mgrid[: plane.shape[0], : plane.shape[1]].astype(np.float32)
    x, y = columns + motion.flow[..., 0], rows + motion.flow[..., 1]
    moved = cv2.remap(plane.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
