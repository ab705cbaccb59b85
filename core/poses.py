"""People as points: OpenPose's 18 body, 70 face and 21 + 21 hand slots, and its JSON.

Source of the slots and of the JSON: CMU OpenPose's output format, as A1111's and ComfyUI's nodes read and write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .errors import BadImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .geometry import Size

BODY, FACE, HAND = 18, 70, 21
"""Number of slots. Body: nose, neck, right shoulder, elbow, wrist, left ones, right hip, knee, ankle, left ones, right
eye, left eye, right ear, left ear (right and left are the person's own)."""


class Point(NamedTuple):
    """Place in pixels of the map (0 is its left or upper edge) and confidence, above 0 up to 1."""

    x: float
    y: float
    confidence: float = 1.0


Slots = tuple[Point | None, ...]
"""Points by slot; None is a gap (not seen)."""


class Person(msgspec.Struct, frozen=True):
    """One person. body has 18 slots, face 70 and each hand 21; None where the part was not found at all."""

    body: Slots = (None,) * BODY
    face: Slots | None = None
    left_hand: Slots | None = None
    right_hand: Slots | None = None


class Pose(msgspec.Struct, frozen=True):
    """Everybody in one picture; coordinates are in pixels of a width x height canvas."""

    people: tuple[Person, ...]
    width: int
    height: int


def scaled(pose: Pose, size: Size) -> Pose:
    """The same people on a canvas of another size."""
    kx, ky = size.width / pose.width, size.height / pose.height

    def move(point: Point) -> Point:
        return Point(point.x * kx, point.y * ky, point.confidence)

    people = tuple(
        Person(*(_mapped(part, move) for part in (person.body, person.face, person.left_hand, person.right_hand)))  # type: ignore[arg-type]
        for person in pose.people
    )
    return Pose(people, size.width, size.height)


def _mapped(slots: Slots | None, move: Callable[[Point], Point]) -> Slots | None:
    return None if slots is None else tuple(None if point is None else move(point) for point in slots)


def to_openpose(pose: Pose, *, confidences: bool = False) -> dict[str, Any]:
    """OpenPose JSON with pixel coordinates; a gap is 0, 0, 0, a part that was not found is null.

    confidences: write the real ones. By default a point has 1.0, because A1111 and ComfyUI drop every point below that.
    """
    return {
        "people": [
            {
                "pose_keypoints_2d": _flat(person.body, confidences),
                "face_keypoints_2d": _flat(person.face, confidences),
                "hand_left_keypoints_2d": _flat(person.left_hand, confidences),
                "hand_right_keypoints_2d": _flat(person.right_hand, confidences),
            }
            for person in pose.people
        ],
        "canvas_height": pose.height,
        "canvas_width": pose.width,
    }


def _flat(slots: Slots | None, confidences: bool) -> list[float] | None:
    if slots is None:
        return None
    gap = (0.0, 0.0, 0.0)
    triples = (gap if p is None else (p.x, p.y, p.confidence if confidences else 1.0) for p in slots)
    return [float(number) for triple in triples for number in triple]


def from_openpose(data: object) -> Pose:
    """Read OpenPose JSON. Each part whose coordinates are all within -1 .. 1 is taken as relative to the canvas
    (A1111's and ComfyUI's OpenPose), otherwise as pixels (DWPose, `to_openpose`).

    Faces of 68 or 69 points are filled up to 70 with gaps. Raises BadImage when the data is not OpenPose JSON.
    """
    try:
        document = msgspec.convert(data, _Document)
    except msgspec.ValidationError as error:
        raise BadImage(f"this is not OpenPose JSON ({error})", fix=_FORMAT) from error
    canvas = (document.canvas_width, document.canvas_height)
    return Pose(tuple(_person(person, canvas) for person in document.people), *canvas)


_FORMAT = "expected {people: [{pose_keypoints_2d: [x, y, c, ...], ...}], canvas_height, canvas_width}"


class _PersonJson(msgspec.Struct):
    pose_keypoints_2d: list[float] | None = None
    face_keypoints_2d: list[float] | None = None
    hand_left_keypoints_2d: list[float] | None = None
    hand_right_keypoints_2d: list[float] | None = None


class _Document(msgspec.Struct):
    people: list[_PersonJson]
    canvas_height: int
    canvas_width: int

    def __post_init__(self) -> None:
        if min(self.canvas_height, self.canvas_width) < 1:
            raise ValueError("the canvas has no area")


def _person(person: _PersonJson, canvas: tuple[int, int]) -> Person:
    body = _slots(person.pose_keypoints_2d, (BODY,), canvas, "pose_keypoints_2d")
    return Person(
        body if body is not None else (None,) * BODY,
        _slots(person.face_keypoints_2d, (FACE, 69, 68), canvas, "face_keypoints_2d"),
        _slots(person.hand_left_keypoints_2d, (HAND,), canvas, "hand_left_keypoints_2d"),
        _slots(person.hand_right_keypoints_2d, (HAND,), canvas, "hand_right_keypoints_2d"),
    )


def _slots(numbers: Sequence[float] | None, counts: Sequence[int], canvas: tuple[int, int], name: str) -> Slots | None:
    """An absent or empty list is a part that was not found."""
    if not numbers:
        return None
    if len(numbers) % 3 or len(numbers) // 3 not in counts:
        raise BadImage(f"{len(numbers)} numbers instead of {counts[0]} x 3", where=name, fix=_FORMAT)
    triples = [tuple(numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
    kx, ky = canvas if _relative(triples) else (1, 1)
    points = tuple(Point(x * kx, y * ky, c) if c > 0 else None for x, y, c in triples)
    return points + (None,) * (counts[0] - len(points))


def _relative(triples: Iterable[Sequence[float]]) -> bool:
    return all(abs(x) <= 1 and abs(y) <= 1 for x, y, c in triples if c > 0)
