"""Bodies: BlazePose's detector and its 33 points, for several people. Needs numpy, torch.

Source: Bazarevsky et al., BlazePose (2020), and the options in MediaPipe's pose graphs (Apache-2.0).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...weights import mediapipe_files
from .detection import Detections, sigmoid
from .inference import CropNetwork, Detector
from .regions import Region, search_regions, to_picture, upright_angle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.networks.placement import Placement

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

STRIDES = (8, 16, 32, 32, 32)
POINTS = 33
MARGIN = 1.25
"""Side of the body's region over the diameter of the circle that the detector puts around the person."""


DETECTOR_RATIO = 0.9
"""Threshold of the detector over the confidence asked for: below about 0.55 it mostly sees people in hands and cats."""
MIN_PRESENCE = 0.5
"""A person must be there in a second look, too, in the region that the first look suggests."""
MIN_TILE = 96
"""Side of the smallest tiles that are searched, in pixels."""
MAX_DUPLICATES = 6
"""Finds of one place, at different sizes, that are looked at; they vote on the pose."""
SURE, COVERED = 0.65, 0.4
"""A body less sure than the first is dropped where more than the second part of it lies on a better one."""
SAME_HEAD, SAME_POINTS = 0.6, 0.12
"""Two bodies are one when their heads are nearer than this share of head to neck, or their points, in the median,
nearer than this share of the body's extent. All four were set by looking at photographs of one to six people."""


class Body(NamedTuple):
    """One body. score: 0 .. 1, the detector's times the network's own. points: [33, 2], picture pixels.

    visible: [33], 0 .. 1, that a point is in the picture and in sight: the smaller of the network's two answers.
    region: where the network would look next time.
    """

    score: float
    points: Array
    visible: Array
    region: Region


def body_region(centre: Array, rim: Array) -> Region:
    """Region of a body from the middle of its hips and the point on its circle above the head."""
    side = 2 * math.dist(centre.tolist(), rim.tolist()) * MARGIN
    return Region(float(centre[0]), float(centre[1]), side, side, upright_angle(centre, rim))


def refine_keypoints(points: NDArray[Any], heat: Array, *, kernel: int = 7, sure: float = 0.5) -> Array:
    """Move points [N, 2] (0 .. 1) to the mean of their heat map [N, H, W] (logits) nearby, where that is sure."""
    count, height, width = heat.shape
    reach = kernel // 2
    likely = np.pad(sigmoid(heat), ((0, 0), (reach, reach), (reach, reach)))
    columns = np.floor(points[:, 0] * width).astype(int)
    rows = np.floor(points[:, 1] * height).astype(int)
    result = points.copy()
    for i in range(count):
        if 0 <= columns[i] < width and 0 <= rows[i] < height:
            window = likely[i, rows[i] : rows[i] + kernel, columns[i] : columns[i] + kernel]
            if window.max() >= sure:
                offsets = np.arange(kernel) - reach
                x = (window.sum(0) * offsets).sum() / window.sum() + columns[i]
                y = (window.sum(1) * offsets).sum() / window.sum() + rows[i]
                result[i] = (x / width, y / height)
    return result


class BodyFinder:
    """Finds bodies: the detector on the whole picture and on tiles of it, then the point network on every find."""

    def __init__(self, placement: Placement) -> None:
        self.detect = Detector(CropNetwork(mediapipe_files.POSE_DETECTION, placement, low=-1), STRIDES)
        self.net = CropNetwork(mediapipe_files.POSE_LANDMARK_FULL, placement)

    def __call__(self, image: Image, *, confidence: float, levels: int) -> list[Body]:
        """Everybody whose score is at least confidence, by confidence. levels: see `regions.search_regions`."""
        found = self.detect(image, search_regions(image, levels, MIN_TILE), min(DETECTOR_RATIO * confidence, 0.9))
        found = limit_crowds(found)
        regions = [body_region(points[2], points[3]) for points in found.points]
        first = [
            body._replace(score=body.score * float(seen))
            for body, seen in zip(self._fit(image, regions), found.scores, strict=True)
        ]
        alone = merge_duplicates([body for body in first if body.score >= confidence])
        again = self._fit(image, [body.region for body in alone])
        both = zip(alone, again, strict=True)
        return merge_duplicates([new._replace(score=old.score) for old, new in both if new.score >= MIN_PRESENCE])

    def _fit(self, image: Image, regions: Sequence[Region]) -> list[Body]:
        if not regions:
            return []
        raw = self.net(image, regions)
        rows = zip(raw["landmarks"], raw["heatmap"], raw["presence"], regions, strict=True)
        return [self._read(*row) for row in rows]

    def _read(self, landmarks: Array, heat: Array, presence: Array, region: Region) -> Body:
        table = landmarks.reshape(-1, 5)
        points = to_picture(refine_keypoints(table[:, :2] / self.net.size[0], heat), region)
        visible = sigmoid(table[:POINTS, 3:5].min(1))
        follow = body_region(points[POINTS], points[POINTS + 1])
        return Body(float(presence[0]), points[:POINTS], visible, follow)


def limit_crowds(found: Detections) -> Detections:
    """Keep of the finds around one place the best CROWD; found is sorted, by score."""
    kept: list[int] = []
    for i, (low, high) in enumerate(found.points[:, :2]):
        middles = found.points[kept, :2].mean(1)
        if np.count_nonzero(((middles > low) & (middles < high)).all(1)) < MAX_DUPLICATES:
            kept.append(i)
    return Detections(found.scores[kept], found.points[kept])


def merge_duplicates(bodies: Sequence[Body]) -> list[Body]:
    """Each person once, by score.

    Finds of one person (points or head in the same place) are replaced by the one that the others agree with most.
    Dropped are doubtful finds that lie largely on a better one: the network sees people in arms and feet.
    """
    kept: list[Body] = []
    left = sorted(bodies, key=lambda body: -body.score)
    while left:
        group = [body for body in left if body is left[0] or is_same_person(body, left[0])]
        left = [body for body in left if not any(body is other for other in group)]
        chosen = choose_consensus(group)
        if chosen.score >= SURE or not any(compute_overlap(chosen, other) > COVERED for other in kept):
            kept.append(chosen)
    return kept


def choose_consensus(group: Sequence[Body]) -> Body:
    """The find with the smallest score-weighted distance to all others, as sure as the most confident."""
    points = np.stack([body.points for body in group])
    weights = np.array([body.score for body in group])
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1).mean(-1)
    middle = int(np.argmin(apart @ weights))
    return group[middle]._replace(score=max(body.score for body in group))


def is_same_person(one: Body, other: Body) -> bool:
    """Whether two finds are one person."""
    necks = [body.points[[11, 12]].mean(0) for body in (one, other)]
    heads = [body.points[:11].mean(0) for body in (one, other)]
    reach = max(float(np.linalg.norm(head - neck)) for head, neck in zip(heads, necks, strict=True))
    if np.linalg.norm(heads[0] - heads[1]) < SAME_HEAD * reach:
        return True
    both = (one.visible > 0.5) & (other.visible > 0.5)
    if not both.any():
        return False
    extent = max(float(np.ptp(body.points[both], axis=0).max()) for body in (one, other))
    apart = np.median(np.linalg.norm(one.points[both] - other.points[both], axis=1))
    return bool(apart < SAME_POINTS * extent)


def compute_overlap(one: Body, other: Body) -> float:
    """Share of one's box, around its visible points, that lies in the other's."""
    low, high = _bounding_box(one)
    other_low, other_high = _bounding_box(other)
    shared = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None).prod()
    return float(shared / max(float((high - low).prod()), 1e-6))


def _bounding_box(body: Body) -> tuple[Array, Array]:
    seen = body.points[body.visible > 0.5] if (body.visible > 0.5).any() else body.points
    return seen.min(0), seen.max(0)
