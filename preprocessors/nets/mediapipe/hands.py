"""Hands: palms in the whole picture and around wrists, then 21 points each. Needs numpy, torch.

Source: Zhang et al., MediaPipe Hands (2020), and the options in MediaPipe's hand graphs (Apache-2.0).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...weights import mediapipe_files
from .inference import CropNetwork, Detector
from .regions import Region, enclosing_region, letterbox_region, rotate_vector, to_picture, upright_angle
from .topology import ARM, LEFT, PALM, RIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.networks.placement import Placement
    from .bodies import Body

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

STRIDES = (8, 16, 16, 16)
VISIBLE = 0.5
REACH = 1.25
"""A hand farther than this many palms from every wrist belongs to nobody that was found."""


class Hand(NamedTuple):
    """One hand. score: 0 .. 1, that it is one. right: 0 .. 1, that it is somebody's right one. points: [21, 2]."""

    score: float
    right: float
    points: Array

    @property
    def extent(self) -> float:
        """Wrist to middle knuckle, or across the palm where that is longer, in pixels."""
        p = self.points
        return max(float(np.linalg.norm(p[9] - p[0])), float(np.linalg.norm(p[17] - p[5])), 1e-6)


def palm_region(points: Array) -> Region:
    """Region of a hand from a palm's find: box corners, then wrist and knuckles."""
    box, wrist, knuckle = points[:2], points[2], points[4]
    (x, y), (width, height) = (box[0] + box[1]) / 2, box[1] - box[0]
    region = Region(float(x), float(y), float(width), float(height), upright_angle(wrist, knuckle))
    return region.shifted(0, -0.5).squared().scaled(2.6)


def hand_region(points: Array) -> Region:
    """Region for a second look, from the 21 points of the first."""
    middle = (points[5] + 2 * points[9] + points[13]) / 4
    return enclosing_region(points[list(PALM)], upright_angle(points[0], middle)).shifted(0, -0.1).squared().scaled(2.0)


def wrist_region(body: Body, side: str) -> Region | None:
    """Where a body's hand must be, pointing along it; None when the wrist is not seen."""
    elbow, wrist, little, index = ARM[side]
    if body.visible[wrist] < VISIBLE:
        return None
    start, end = body.points[wrist], (body.points[little] + 2 * body.points[index]) / 3
    length = max(math.dist(start.tolist(), end.tolist()), 0.25 * math.dist(start.tolist(), body.points[elbow].tolist()))
    angle = upright_angle(start, end)
    x, y = rotate_vector(0, -length, angle)
    side_length = 2 * length * 2.7
    return Region(float(start[0]) + x, float(start[1]) + y, side_length, side_length, angle)


class HandFinder:
    """Finds hands and gives them to people."""

    def __init__(self, placement: Placement) -> None:
        self.detect = Detector(CropNetwork(mediapipe_files.PALM_DETECTION_FULL, placement), STRIDES)
        self.net = CropNetwork(mediapipe_files.HAND_LANDMARK_FULL, placement)

    def __call__(self, image: Image, bodies: Sequence[Body], *, confidence: float) -> list[Hand]:
        """Every hand whose presence is at least confidence, by confidence."""
        guesses = [r for body in bodies for side in (LEFT, RIGHT) if (r := wrist_region(body, side))]
        close = [guess._replace(angle=0.0).scaled(1.25) for guess in guesses]
        found = self.detect(image, [letterbox_region(image), *close], 0.5)
        regions = [palm_region(points) for points in found.points] + guesses
        first = [hand for hand in self._fit(image, regions) if hand.score >= confidence]
        again = self._fit(image, [hand_region(hand.points) for hand in first])
        sure = [new if new.score >= old.score else old for new, old in zip(again, first, strict=True)]
        return merge_duplicates(sure)

    def _fit(self, image: Image, regions: Sequence[Region]) -> list[Hand]:
        if not regions:
            return []
        raw = self.net(image, regions)
        places = raw["landmarks"].reshape(len(regions), 21, 3)[..., :2] / self.net.size[0]
        rows = zip(raw["presence"], raw["handedness"], places, regions, strict=True)
        return [Hand(float(s[0]), float(h[0]), to_picture(p, region)) for s, h, p, region in rows]


def merge_duplicates(hands: Sequence[Hand]) -> list[Hand]:
    """Each hand once, by confidence: hands whose points lie, on average, nearer than half a palm are one."""
    kept: list[Hand] = []
    for hand in sorted(hands, key=lambda hand: -hand.score):
        apart = [np.linalg.norm(hand.points - other.points, axis=1).mean() / other.extent for other in kept]
        if not any(distance < 0.5 for distance in apart):
            kept.append(hand)
    return kept


def assign_hands(hands: Sequence[Hand], bodies: Sequence[Body]) -> tuple[list[dict[str, Hand]], list[Hand]]:
    """Give each body its hands by distance to its wrists; what is seen of left and right settles close calls.

    Returns hands by side for every body, and the hands that belong to nobody.
    """
    offers = sorted(
        (cost, b, side, h)
        for b, body in enumerate(bodies)
        for side in (LEFT, RIGHT)
        for h, hand in enumerate(hands)
        if (cost := wrist_distance(body, side, hand)) < REACH
    )
    owned: list[dict[str, Hand]] = [{} for _ in bodies]
    taken: set[int] = set()
    for _, b, side, h in offers:
        if h not in taken and side not in owned[b]:
            owned[b][side] = hands[h]
            taken.add(h)
    return owned, [hand for h, hand in enumerate(hands) if h not in taken]


def wrist_distance(body: Body, side: str, hand: Hand) -> float:
    """From a body's wrist to a hand's, in palms; one palm more when the hand looks like the other one."""
    wrist = ARM[side][1]
    wrong = (1 - hand.right) if side == RIGHT else hand.right
    unseen = 0.0 if body.visible[wrist] >= VISIBLE else 0.5
    return float(np.linalg.norm(body.points[wrist] - hand.points[0])) / hand.extent + wrong + unseen
