"""People as keypoints: OpenPose's 18 of the body, 70 of the face, 21 of each hand; animals: AP-10K's 17; their JSON.

Source of the slots and of the JSON: CMU OpenPose's output format, as A1111's and ComfyUI's nodes read and write it;
animals: AP-10K (Yu et al. 2021, arXiv:2108.12617) in the form of the same nodes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..images.geometry import Size

BODY, FACE, HAND, ANIMAL = 18, 70, 21, 17
"""Numbers of keypoints. Body: nose, neck, right shoulder, elbow, wrist, left ones, right hip, knee, ankle, left ones,
right eye, left eye, right ear, left ear (right and left are the person's own). Animal: left eye, right eye, nose, neck,
root of the tail, left shoulder, elbow, front paw, right ones, left hip, knee, hind paw, right ones."""

ANIMALS = "ap10k"
"""What the JSON of animals calls itself."""


class Keypoint(NamedTuple):
    """Position in pixels of the map (0 is its left or upper edge) and confidence, above 0 up to 1."""

    x: float
    y: float
    confidence: float = 1.0


Keypoints = tuple[Keypoint | None, ...]
"""Keypoints by index; None is one that was not found."""


class Person(msgspec.Struct, frozen=True):
    """One person. body has 18 keypoints, face 70 and each hand 21; None where the part was not found at all.

    person_id: who it is over the frames of a clip, from 0; None where nobody was followed.
    """

    body: Keypoints = (None,) * BODY
    face: Keypoints | None = None
    left_hand: Keypoints | None = None
    right_hand: Keypoints | None = None
    person_id: int | None = None


class Pose(msgspec.Struct, frozen=True):
    """People and animals in one picture, in pixels of a width x height canvas. An animal has 17 keypoints."""

    people: tuple[Person, ...]
    width: int
    height: int
    animals: tuple[Keypoints, ...] = ()


def list_parts(person: Person) -> tuple[Keypoints, Keypoints | None, Keypoints | None, Keypoints | None]:
    """Body, face, left hand, right hand: in the order in which `Person` takes them."""
    return person.body, person.face, person.left_hand, person.right_hand


def replace_parts(person: Person, parts: Iterable[Keypoints | None]) -> Person:
    """The same person with other keypoints, in the order of `list_parts`."""
    body, face, left, right = parts
    return Person(body or (None,) * BODY, face, left, right, person.person_id)


def parse_person_id(given: Any) -> int | None:
    """Who a person is over frames: OpenPose writes a list of one number, -1 for nobody; anything else is no id."""
    number = given[0] if isinstance(given, list) and len(given) == 1 else given
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**53 else None


def map_keypoints(pose: Pose, move: Callable[[Keypoint], Keypoint], size: Size) -> Pose:
    """Apply a function to every keypoint, on a canvas of this size."""

    def part(slots: Keypoints | None) -> Keypoints | None:
        return None if slots is None else tuple(None if point is None else move(point) for point in slots)

    people = tuple(replace_parts(person, map(part, list_parts(person))) for person in pose.people)
    animals = tuple(tuple(None if p is None else move(p) for p in animal) for animal in pose.animals)
    return Pose(people, size.width, size.height, animals)


def scale_pose(pose: Pose, size: Size) -> Pose:
    """Scale a pose to a canvas of another size."""
    kx, ky = size.width / pose.width, size.height / pose.height
    return map_keypoints(pose, lambda point: Keypoint(point.x * kx, point.y * ky, point.confidence), size)


def to_openpose(pose: Pose, *, confidences: bool = False) -> dict[str, Any]:
    """OpenPose JSON with pixel coordinates; a missing keypoint is 0, 0, 0, a missing part is null.

    confidences: write the real ones. By default a keypoint has 1.0, because A1111 and ComfyUI drop all below that.
    Where there are animals they stand beside the people, 17 x 3 numbers each. A part that lies whole in the first
    pixels is written relative to the canvas, because every reader takes such numbers for relative. Who somebody is over
    the frames of a clip stands in `person_id`, a list of one number as in OpenPose's own files.
    """

    parts = [part for person in pose.people for part in list_parts(person)]
    flags = iter(find_relative([*parts, *pose.animals]))

    def flat(slots: Keypoints | None) -> list[float] | None:
        canvas = (pose.width, pose.height) if next(flags) else (1, 1)
        return None if slots is None else _flatten(slots, canvas, confidences)

    people = [
        {**_build_id(person), **dict(zip(PART_KEYS, map(flat, list_parts(person)), strict=True))}
        for person in pose.people
    ]
    animals = {"version": ANIMALS, "animals": [flat(animal) for animal in pose.animals]} if pose.animals else {}
    return {"people": people, **animals, "canvas_height": pose.height, "canvas_width": pose.width}


PART_KEYS = ("pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")


def _build_id(person: Person) -> dict[str, list[int]]:
    return {} if person.person_id is None else {"person_id": [person.person_id]}


def _flatten(slots: Keypoints, canvas: tuple[int, int], confidences: bool) -> list[float]:
    width, height = canvas
    gap = (0.0, 0.0, 0.0)
    triples = (
        gap if p is None else (_find_share(p.x, width), _find_share(p.y, height), p.confidence if confidences else 1.0)
        for p in slots
    )
    return [float(number) for triple in triples for number in triple]


def _find_share(place: float, length: int) -> float:
    """Relative coordinate that gives the same pixel when it is multiplied again."""
    share = place / length
    pixel = int(share * length)
    if pixel == int(place):
        return share
    return math.nextafter(share, math.copysign(math.inf, place) if abs(pixel) < abs(int(place)) else 0.0)


RELATIVE_REACH = 4.0
"""Shares of a canvas lie within this, also those of keypoints off the canvas."""
FAR = 2.0**20
"""No canvas is larger than this."""


def find_relative(parts: Sequence[Keypoints | None]) -> list[bool]:
    """Whether the coordinates of each part are taken as shares of the canvas and not as pixels.

    They are where all lie within -1 .. 1, or within -4 .. 4 with one of three on the canvas of 1 x 1; then other parts
    within -4 .. 4 are too, because no picture has a whole hand in four pixels.
    """
    points = [list_points(part) for part in parts]
    sure = [_is_relative(one) for one in points]
    near = [all(max(abs(p.x), abs(p.y)) <= RELATIVE_REACH for p in one) for one in points]
    return [a or (b and any(sure)) for a, b in zip(sure, near, strict=True)]


def list_points(part: Keypoints | None) -> list[Keypoint]:
    """Keypoints of a part that were found."""
    return [point for point in part or () if point is not None]


def _is_relative(points: Sequence[Keypoint]) -> bool:
    reach = max((max(abs(p.x), abs(p.y)) for p in points), default=RELATIVE_REACH + 1)
    on_canvas = any(0 <= p.x <= 1 and 0 <= p.y <= 1 for p in points)
    return reach <= 1 or (reach <= RELATIVE_REACH and len(points) >= 3 and on_canvas)
