"""People of pictures: bodies, then hands and faces where the bodies say they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....core.images.resize import resize_images
from ....core.poses.model import Keypoint, Person, Pose
from .body import find_bodies
from .crops import LEFT_ARM, RIGHT_ARM, Box, crop_box, face_box, hand_box
from .faces import find_faces
from .hands import find_hands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from ....core.images.geometry import Size
    from ....core.images.types import Images
    from ....core.networks.placement import Placement
    from ....core.poses.model import Keypoints
    from .body import Joints
    from .keypoints import CropKeypoints

    Find = Callable[[Sequence[NDArray[np.uint8]], Placement], list[CropKeypoints]]
    Where = Callable[[Joints], Box | None]

MIN_CONFIDENCE = 0.001
"""Confidence of points whose heat is not above it."""


class SearchOptions(NamedTuple):
    """What to look for, and whether hands and faces are cut from the pictures as they are."""

    hands: bool
    face: bool
    full_resolution: bool


def find_people(images: Images, size: Size, options: SearchOptions, placement: Placement) -> tuple[Pose, ...]:
    """Everybody in pictures uint8 [B, H, W, 3] RGB, in pixels of their maps.

    Bodies are looked for at the map's size, as hosts do it, so that they are the hosts' people to the pixel.
    """
    fitted = resize_images(images, size)
    bodies = find_bodies(fitted, placement)
    search = _PartSearch(images if options.full_resolution else fitted, size, bodies, placement)
    arms = (LEFT_ARM, RIGHT_ARM) if options.hands else ()
    hands = search.parts(find_hands, [lambda joints, arm=arm: hand_box(joints, arm, size) for arm in arms])
    faces = search.parts(find_faces, [lambda joints: face_box(joints, size)] if options.face else [])

    def person(picture: int, number: int) -> Person:
        left, right = (hands.get((picture, number, side)) for side in (0, 1))
        return Person(_body(bodies[picture][number]), faces.get((picture, number, 0)), left, right)

    return tuple(
        Pose(tuple(person(picture, number) for number in range(len(people))), size.width, size.height)
        for picture, people in enumerate(bodies)
    )


class _PartSearch:
    """Hands and faces of all bodies of all pictures."""

    def __init__(self, pictures: Images, size: Size, bodies: list[list[Joints]], placement: Placement) -> None:
        self.pictures, self.size, self.bodies, self.placement = pictures, size, bodies, placement

    def parts(self, find: Find, where: Sequence[Where]) -> dict[tuple[int, int, int], Keypoints]:
        """Points by number of the picture, of the person and of the place, all found in one go."""
        crops = {
            (picture, number, which): crop_box(self.pictures[picture], box, self.size)
            for picture, people in enumerate(self.bodies)
            for number, joints in enumerate(people)
            for which, place in enumerate(where)
            if (box := place(joints)) is not None
        }
        spots = find([crop.pixels for crop in crops.values()], self.placement)
        found: dict[tuple[int, int, int], Keypoints] = {}
        for (key, crop), some in zip(crops.items(), spots, strict=True):
            if any(some):
                found[key] = tuple(None if s is None else _point(*crop.on_map(s.x, s.y), s.heat) for s in some)
        return found


def _body(joints: Joints) -> Keypoints:
    return tuple(None if joint is None else _point(joint.x, joint.y, joint.score) for joint in joints)


def _point(x: float, y: float, heat: Any) -> Keypoint:
    return Keypoint(float(x), float(y), min(max(float(heat), MIN_CONFIDENCE), 1.0))
