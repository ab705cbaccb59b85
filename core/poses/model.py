"""People as keypoints: OpenPose's 18 of the body, 70 of the face, 21 of each hand; animals: AP-10K's 17; their JSON.

Source of the slots and of the JSON: CMU OpenPose's output format, as A1111's and ComfyUI's nodes read and write it;
animals: AP-10K (Yu et al. 2021, arXiv:2108.12617) in the form of the same nodes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import BadImage

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
    """One person. body has 18 keypoints, face 70 and each hand 21; None where the part was not found at all."""

    body: Keypoints = (None,) * BODY
    face: Keypoints | None = None
    left_hand: Keypoints | None = None
    right_hand: Keypoints | None = None


class Pose(msgspec.Struct, frozen=True):
    """People and animals in one picture, in pixels of a width x height canvas. An animal has 17 keypoints."""

    people: tuple[Person, ...]
    width: int
    height: int
    animals: tuple[Keypoints, ...] = ()


def list_parts(person: Person) -> tuple[Keypoints, Keypoints | None, Keypoints | None, Keypoints | None]:
    """Body, face, left hand, right hand: in the order in which `Person` takes them."""
    return person.body, person.face, person.left_hand, person.right_hand


def map_keypoints(pose: Pose, move: Callable[[Keypoint], Keypoint], size: Size) -> Pose:
    """Apply a function to every keypoint, on a canvas of this size."""

    def part(slots: Keypoints | None) -> Keypoints | None:
        return None if slots is None else tuple(None if point is None else move(point) for point in slots)

    people = tuple(Person(*map(part, list_parts(person))) for person in pose.people)  # type: ignore[arg-type]
    animals = tuple(tuple(None if p is None else move(p) for p in animal) for animal in pose.animals)
    return Pose(people, size.width, size.height, animals)


def scale_pose(pose: Pose, size: Size) -> Pose:
    """Scale a pose to a canvas of another size."""
    kx, ky = size.width / pose.width, size.height / pose.height
    return map_keypoints(pose, lambda point: Keypoint(point.x * kx, point.y * ky, point.confidence), size)


def to_openpose(pose: Pose, *, confidences: bool = False) -> dict[str, Any]:
    """OpenPose JSON with pixel coordinates; a missing keypoint is 0, 0, 0, a missing part is null.

    confidences: write the real ones. By default a keypoint has 1.0, because A1111 and ComfyUI drop all below that.
    Where there are animals they stand beside the people, 17 x 3 numbers each. A part that lies whole in the first pixel
    is written relative to the canvas, because every reader takes such numbers for relative.
    """

    def flat(slots: Keypoints | None) -> list[float] | None:
        return None if slots is None else _flatten(slots, (pose.width, pose.height), confidences)

    people = [dict(zip(_KEYS, map(flat, list_parts(person)), strict=True)) for person in pose.people]
    animals = {"version": ANIMALS, "animals": [flat(animal) for animal in pose.animals]} if pose.animals else {}
    return {"people": people, **animals, "canvas_height": pose.height, "canvas_width": pose.width}


_KEYS = ("pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")


def _flatten(slots: Keypoints, canvas: tuple[int, int], confidences: bool) -> list[float]:
    width, height = canvas if _is_relative(point for point in slots if point is not None) else (1, 1)
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


def from_openpose(data: object) -> Pose:
    """Read OpenPose JSON. Each part whose coordinates are all within -1 .. 1 is taken as relative to the canvas
    (A1111's and ComfyUI's OpenPose), otherwise as pixels (DWPose, `to_openpose`).

    Faces of 68 or 69 points are filled up to 70 with gaps; points may be flat numbers or triples. Raises BadImage when
    the data is not OpenPose JSON.
    """
    try:
        document = msgspec.convert(data, _Document)
    except msgspec.ValidationError as error:
        raise BadImage(f"this is not OpenPose JSON ({error})", fix=_FORMAT) from error
    canvas = (document.canvas_width, document.canvas_height)
    people = tuple(_build_person(person, canvas) for person in document.people or ())
    animals = (_parse_keypoints(animal, (ANIMAL,), canvas, "animals") for animal in document.animals or ())
    return Pose(people, *canvas, tuple(animal for animal in animals if animal is not None))


_FORMAT = "expected {people: [{pose_keypoints_2d: [x, y, c, ...], ...}], canvas_height, canvas_width}"


_Numbers = list[float | list[float]]


class _PersonJson(msgspec.Struct):
    pose_keypoints_2d: _Numbers | None = None
    face_keypoints_2d: _Numbers | None = None
    hand_left_keypoints_2d: _Numbers | None = None
    hand_right_keypoints_2d: _Numbers | None = None


class _Document(msgspec.Struct):
    canvas_height: int
    canvas_width: int
    people: list[_PersonJson] | None = None
    animals: list[_Numbers | None] | None = None

    def __post_init__(self) -> None:
        if min(self.canvas_height, self.canvas_width) < 1:
            raise ValueError("the canvas has no area")
        if self.people is None and self.animals is None:
            raise ValueError("neither people nor animals")


def _build_person(person: _PersonJson, canvas: tuple[int, int]) -> Person:
    body = _parse_keypoints(person.pose_keypoints_2d, (BODY,), canvas, "pose_keypoints_2d")
    return Person(
        body if body is not None else (None,) * BODY,
        _parse_keypoints(person.face_keypoints_2d, (FACE, 69, 68), canvas, "face_keypoints_2d"),
        _parse_keypoints(person.hand_left_keypoints_2d, (HAND,), canvas, "hand_left_keypoints_2d"),
        _parse_keypoints(person.hand_right_keypoints_2d, (HAND,), canvas, "hand_right_keypoints_2d"),
    )


def _parse_keypoints(
    given: _Numbers | None, counts: Sequence[int], canvas: tuple[int, int], name: str
) -> Keypoints | None:
    """Keypoints of a list; an absent or empty one is a part that was not found."""
    if not given:
        return None
    numbers = [number for entry in given for number in (entry if isinstance(entry, list) else [entry])]
    if len(numbers) % 3 or len(numbers) // 3 not in counts:
        raise BadImage(f"{len(numbers)} numbers instead of {counts[0]} x 3", where=name, fix=_FORMAT)
    if not all(map(math.isfinite, numbers)):
        raise BadImage("a number is not finite", where=name, fix="save the poses again")
    triples = [Keypoint(*numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
    kx, ky = canvas if _is_relative(point for point in triples if point.confidence > 0) else (1, 1)
    points = tuple(Keypoint(x * kx, y * ky, c) if c > 0 else None for x, y, c in triples)
    return points + (None,) * (counts[0] - len(points))


def _is_relative(points: Iterable[Keypoint]) -> bool:
    return all(abs(point.x) <= 1 and abs(point.y) <= 1 for point in points)
