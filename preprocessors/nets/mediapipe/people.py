"""Puts bodies, hands and faces together into people. Needs numpy, torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....core.poses.model import BODY, Keypoint, Person, Pose
from .bodies import BodyFinder
from .faces import Face, FaceFinder, face_points
from .hands import Hand, HandFinder, assign_hands
from .topology import BODY_SLOTS, LEFT, RIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ....core.networks.placement import Placement
    from ....core.poses.model import Keypoints
    from .bodies import Body

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

VISIBLE = 0.5
"""Body points that are less likely to be seen than this become gaps, unless another number is asked for."""
MIN_PART_CONFIDENCE = 0.5
"""Confidence asked of hands and faces."""
NEAR_FACE = 0.5
"""A face belongs to the body whose nose is nearest, within this share of the face's size."""
SHOULDERS = (12, 11)
NOSE_TIP = 1


class SearchOptions(NamedTuple):
    """What to look for."""

    body: bool = True
    hands: bool = True
    face: bool = True
    max_people: int = 10
    confidence: float = 0.6
    levels: int = 3
    visibility: float = VISIBLE


class PeopleFinder:
    """Finds people with their hands and faces."""

    def __init__(self, placement: Placement, options: SearchOptions) -> None:
        self.options = options
        self.bodies = BodyFinder(placement)
        self.hands = HandFinder(placement) if options.hands else None
        self.faces = FaceFinder(placement) if options.face else None

    def __call__(self, image: Image) -> Pose:
        """Everybody in a picture [H, W, 3], in its pixels: bodies by confidence, then faces and hands of nobody."""
        height, width = image.shape[:2]
        bodies = self.bodies(image, confidence=self.options.confidence, levels=self.options.levels)
        hands = self.hands(image, bodies, confidence=MIN_PART_CONFIDENCE) if self.hands else []
        faces = self.faces(image, bodies, confidence=MIN_PART_CONFIDENCE) if self.faces else []
        asked = self.options
        people = assemble_people(bodies, hands, faces, (height, width), body=asked.body, visibility=asked.visibility)
        return Pose(tuple(people[: self.options.max_people]), width, height)


def assemble_people(
    bodies: Sequence[Body],
    hands: Sequence[Hand],
    faces: Sequence[Face],
    size: tuple[int, int],
    *,
    body: bool,
    visibility: float = VISIBLE,
) -> list[Person]:
    """People from their parts; a face or hand that belongs to no body is a person of its own."""
    owned, loose = assign_hands(hands, bodies)
    faced, others = assign_faces(faces, bodies)
    nobody = (None,) * BODY
    people = [
        Person(
            body_slots(each, size, visibility) if body else nobody,
            face_slots(faced[i], size) if i in faced else None,
            hand_slots(owned[i].get(LEFT), size),
            hand_slots(owned[i].get(RIGHT), size),
        )
        for i, each in enumerate(bodies)
    ]
    people += [Person(nobody, face=face_slots(face, size)) for face in others]
    for hand in loose:
        slots = hand_slots(hand, size)
        is_right = hand.right >= 0.5
        people.append(Person(nobody, right_hand=slots) if is_right else Person(nobody, left_hand=slots))
    return people


def assign_faces(faces: Sequence[Face], bodies: Sequence[Body]) -> tuple[dict[int, Face], list[Face]]:
    """Give faces to bodies, nearest first; returns them by body, and those that are left."""
    offers = sorted(
        (gap, b, f)
        for b, body in enumerate(bodies)
        for f, face in enumerate(faces)
        if (gap := _face_distance(body, face)) < NEAR_FACE
    )
    given: dict[int, int] = {}
    for _, b, f in offers:
        if b not in given and f not in given.values():
            given[b] = f
    left = [face for f, face in enumerate(faces) if f not in given.values()]
    return {b: faces[f] for b, f in given.items()}, left


def _face_distance(body: Body, face: Face) -> float:
    return float(np.linalg.norm(body.points[0] - face.points[NOSE_TIP])) / max(face.size, 1e-6)


def body_slots(body: Body, size: tuple[int, int], visibility: float = VISIBLE) -> Keypoints:
    """OpenPose's 18 points of a body; the neck is the middle of both shoulders where both are seen."""
    sure = body.visible.tolist()
    points = [None if i is None else _point(body.points[i], sure[i], size, visibility) for i in BODY_SLOTS]
    least = min(sure[i] for i in SHOULDERS)
    points[1] = _point(body.points[list(SHOULDERS)].mean(0), least, size, visibility)
    return tuple(points)


def face_slots(face: Face, size: tuple[int, int]) -> Keypoints:
    """OpenPose's 70 points of a face."""
    return tuple(_point(point, face.score, size) for point in face_points(face))


def hand_slots(hand: Hand | None, size: tuple[int, int]) -> Keypoints | None:
    """The 21 points of a hand, which both schemes number alike."""
    return None if hand is None else tuple(_point(point, hand.score, size) for point in hand.points)


def _point(place: Array, confidence: float, size: tuple[int, int], least: float = VISIBLE) -> Keypoint | None:
    """None when it is less sure than asked for, or lies outside the picture."""
    x, y = float(place[0]), float(place[1])
    inside = 0 <= x < size[1] and 0 <= y < size[0]
    return Keypoint(x, y, min(confidence, 1.0)) if inside and confidence >= least else None
