"""Clips in memory, and annotators that behave as networks over time: scale, shift and noise of each frame's own."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from underdrawing.core.annotator import Annotator, ControlMap, Kind, Request, Spec
from underdrawing.core.networks.placement import Placement
from underdrawing.core.params import Params
from underdrawing.core.poses.model import BODY, Keypoint, Person, Pose
from underdrawing.core.video.types import ClipFrame, FrameMap
from underdrawing.preprocessors.maps import depth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

SIZE = (48, 64)


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth random picture [H, W, 3] that optical flow can follow."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    levels = (smooth - smooth.min()) / np.ptp(smooth) * 255
    return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=-1)


def pan(picture: NDArray[Any], shifts: Iterable[tuple[float, float]], height: int, width: int) -> list[NDArray[Any]]:
    """Cuts [height, width] of a picture, moved right and down by shifts in pixels, from a middle of whole pixels."""
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    moves = (np.array([[1, 0, left + x], [0, 1, top + y]], np.float32) for x, y in shifts)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return [cv2.warpAffine(picture, move, (width, height), flags=how) for move in moves]


def clip_frames(pictures: Iterable[NDArray[np.uint8]], rate: int = 25) -> Iterator[ClipFrame]:
    """Frames of pictures."""
    for number, picture in enumerate(pictures):
        yield ClipFrame(number, Fraction(number, rate), f"{number:04d}", picture)


def map_items(pictures: Sequence[NDArray[np.uint8]], maps: Sequence[ControlMap], rate: int = 25) -> Iterator[FrameMap]:
    """Frames with their maps."""
    for frame, control_map in zip(clip_frames(pictures, rate), maps, strict=True):
        yield FrameMap(frame, control_map)


def spec_of(kind: Kind, **more: Any) -> Spec:
    """A declaration without networks."""
    settings: dict[str, Any] = {"licence": "none", "commercial": True, "source": "a test", "requires": ()}
    return Spec(id=f"test_{kind.name.lower()}", title="Test", kind=kind, **settings, **more)


class PlainOutlines(Annotator[Params]):
    """The picture itself as its map. calls: how often it ran."""

    spec = spec_of(Kind.SOFT_EDGES)
    calls: ClassVar[list[int]] = []

    def run(self, request: Request[Params]) -> ControlMap:
        self.calls.append(len(request.images))
        return ControlMap(request.images.copy())


class UnsteadyDepth(Annotator[Params]):
    """Brightness as disparity, of another scale and shift in every frame, as networks of relative depth give it."""

    spec = spec_of(Kind.DEPTH, values="scalar")

    def __init__(self, placement: Placement, defaults: Params) -> None:
        super().__init__(placement, defaults)
        self.rng = np.random.default_rng(1)

    def run(self, request: Request[Params]) -> ControlMap:
        values = request.images[..., 0].astype(np.float32)
        factors, shifts = (
            self.rng.uniform(0.6, 1.6, (len(values), 1, 1)),
            self.rng.uniform(-40, 40, (len(values), 1, 1)),
        )
        noise = self.rng.normal(0, 1, values.shape)
        values = (values * factors + shifts + noise).astype(np.float32)
        return ControlMap(depth.render_disparity(values).images, values)

    def find_span(self, plane: Any, params: Params) -> tuple[float, float]:
        return depth.find_span(plane)

    def render_span(self, values: Any, params: Params, span: tuple[float, float]) -> Any:
        return depth.render_disparity(values, span).images


class DrawnPoses(Annotator[Params]):
    """Draws each pose as white dots; `run` finds nobody."""

    spec = spec_of(Kind.POSE, smooth=False)

    def run(self, request: Request[Params]) -> ControlMap:
        poses = tuple(Pose((), request.size.width, request.size.height) for _ in request.images)
        return ControlMap(self.draw_poses(poses, request.params), poses=poses)

    def draw_poses(self, poses: Sequence[Pose], params: Params) -> NDArray[np.uint8]:
        images = np.zeros((len(poses), poses[0].height, poses[0].width, 3), np.uint8)
        for image, pose in zip(images, poses, strict=True):
            for point in (point for person in pose.people for point in person.body if point):
                image[int(point.y) % pose.height, int(point.x) % pose.width] = 255
        return images


def create(annotator: type[Annotator[Any]]) -> Any:
    """An instance without loading."""
    return annotator(Placement(), annotator.params())


def person_at(x: float, y: float, size: float = 20, missing: Sequence[int] = ()) -> Person:
    """A person of 18 keypoints on a grid around a place; missing: those that were not found."""
    points = [Keypoint(x + size * (i % 3 - 1) / 2, y + size * (i // 3 - 2.5) / 3, 0.9) for i in range(BODY)]
    return Person(tuple(None if i in missing else point for i, point in enumerate(points)))


def pose_items(frames: Sequence[Sequence[Person]], rate: int = 25, size: int = 400) -> Iterator[FrameMap]:
    """Frames of black pictures with people."""
    black = np.zeros((1, 8, 8, 3), np.uint8)
    maps = [ControlMap(black, poses=(Pose(tuple(people), size, size),)) for people in frames]
    return map_items([black[0]] * len(frames), maps, rate)
