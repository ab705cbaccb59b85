"""Poses from JSON of any origin: people by their layouts, coordinates in pixels, a canvas for those that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadImage
from . import keypoint_lists as lists
from .documents import find_documents
from .layouts import LAYOUTS, UNREADABLE, choose_layout, to_body
from .model import ANIMAL, BODY, FACE, HAND, Person, Pose, list_parts, list_points, parse_person_id, replace_parts
from .scales import describe_small, find_scales, guess_canvas, to_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .documents import Document
    from .model import Keypoints
    from .scales import Scale

_BODY_KEYS = (
    *("pose_keypoints_2d", "pose_keypoints", "keypoints", "joints", "body_keypoints_2d", "keypoints_2d", "body"),
    *("landmarks", "pose_landmarks"),
)
_FACE_KEYS = ("face_keypoints_2d", "face_keypoints", "face", "face_kpts")
_LEFT_KEYS = ("hand_left_keypoints_2d", "hand_left_keypoints", "left_hand", "hand_left", "lefthand_kpts")
_RIGHT_KEYS = ("hand_right_keypoints_2d", "hand_right_keypoints", "right_hand", "hand_right", "righthand_kpts")
_SCORES = ("keypoint_scores", "keypoints_scores", "keypoint_score", "scores", "confidences", "keypoint_confidence")


NO_CANVAS = "no canvas is stated"
"""Start of the note on a canvas that was made up."""


class PoseFile(NamedTuple):
    """Poses of a file or of a batch in memory. is_list: they stood in a list, one for each picture.

    notes: what was taken to be what, for the user. free: indices of poses in pixels whose canvas nobody stated, so that
    a size asked for becomes their canvas and moves no keypoint.
    """

    poses: tuple[Pose, ...]
    is_list: bool
    notes: tuple[str, ...] = ()
    free: frozenset[int] = frozenset()


class _Reading(NamedTuple):
    pose: Pose
    notes: tuple[str, ...]
    free: bool


def parse_poses(data: Any) -> PoseFile:
    """Read poses of any form: JSON as Python has it, numpy arrays and numbers too. Raises BadImage."""
    found = find_documents(to_plain(data))
    readings = [_read(document, f"[{i}]" if found.is_list else "") for i, document in enumerate(found.pictures)]
    notes = dict.fromkeys(note for reading in readings for note in reading.notes)
    free = frozenset(i for i, reading in enumerate(readings) if reading.free)
    return PoseFile(tuple(reading.pose for reading in readings), found.is_list, tuple(notes), free)


def from_openpose(data: object) -> Pose:
    """Read the pose of one picture. Coordinates are taken as relative to the canvas where none lies far from it.

    Raises BadImage when the data is not OpenPose JSON or of several pictures.
    """
    file = parse_poses(data)
    if len(file.poses) != 1:
        raise BadImage(f"this is not OpenPose JSON of one picture: it holds {len(file.poses)}", fix=lists.FORMAT)
    return file.poses[0]


def to_plain(data: Any, depth: int = 64) -> Any:
    """JSON's own types in place of tuples, numpy arrays, tensors and their numbers. Raises BadImage."""
    if depth < 0:
        raise BadImage("this is not OpenPose JSON: it is nested too deeply", fix=lists.FORMAT)
    if isinstance(data, dict):
        return {str(key): to_plain(value, depth - 1) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [to_plain(value, depth - 1) for value in data]
    if isinstance(data, int) and not isinstance(data, bool) and abs(data) > 2**1000:
        return float("inf")  # which is refused where it stands
    convert = getattr(data, "tolist", None)
    return to_plain(convert(), depth - 1) if callable(convert) else data


def _read(document: Document, where: str) -> _Reading:
    try:
        return _build(document)
    except BadImage as error:
        raise BadImage(error.what, where=", ".join(filter(None, (where, error.where))), fix=error.fix) from error


def _build(document: Document) -> _Reading:
    notes = list(document.notes)
    people = [_parse_person(person, notes) for person in document.people if person is not None]
    notes += [f"{key} beside the bodies were left out" for key in document.left_out]
    if _holds_null(document.people):
        notes.append("null was read as: not found")
    animals = [animal for one in document.animals or [] if (animal := _parse_animal(one)) is not None]
    parts = [part for person in people for part in list_parts(person)]
    scales = find_scales([*parts, *animals], document.canvas)
    canvas, free = document.canvas, False
    used = _list_used(scales, [*parts, *animals])
    if canvas is None:
        canvas = guess_canvas(
            [part for part, scale in zip([*parts, *animals], scales, strict=True) if scale == "pixels"]
        )
        free = used == {"pixels"}
        notes.append(_describe_guess(canvas, used))
    if document.canvas is not None and used == {"pixels"}:
        notes += describe_small([*parts, *animals], document.canvas)
    if "signed" in used:
        notes.append("the coordinates were taken as OpenPose's -1 to 1")
    elif "relative" in used and document.canvas is not None and _is_off([*parts, *animals], scales):
        notes.append("the coordinates were taken as relative to the canvas; some keypoints lie off it")
    return _Reading(_place(people, animals, scales, canvas), tuple(notes), free)


def _holds_null(data: Any, depth: int = 4) -> bool:
    """Whether a list, or a part of a person in it, has an empty entry."""
    if depth == 0:
        return False
    if isinstance(data, dict):
        return any(_holds_null(value, depth - 1) for value in data.values() if isinstance(value, list))
    return any(one is None or (isinstance(one, (list, dict)) and _holds_null(one, depth - 1)) for one in data)


def _list_used(scales: Sequence[Scale], parts: Sequence[Keypoints | None]) -> set[Scale]:
    return {scale for scale, part in zip(scales, parts, strict=True) if list_points(part)}


def _is_off(parts: Sequence[Keypoints | None], scales: Sequence[Scale]) -> bool:
    points = [p for part, scale in zip(parts, scales, strict=True) if scale == "relative" for p in list_points(part)]
    return any(not (0 <= p.x <= 1 and 0 <= p.y <= 1) for p in points)


def _describe_guess(canvas: tuple[int, int], used: set[Scale]) -> str:
    width, height = canvas
    how = "around the keypoints" if used == {"pixels"} else "for relative coordinates" if used else "for no keypoint"
    return f"{NO_CANVAS}: {width} x {height} was taken {how}; choose another with size (--size {width}x{height})"


def _place(
    people: Sequence[Person], animals: Sequence[Keypoints], scales: Sequence[Scale], canvas: tuple[int, int]
) -> Pose:
    order = iter(scales)

    def place(part: Keypoints | None) -> Keypoints | None:
        return to_pixels(part, next(order), canvas)

    placed = tuple(replace_parts(person, map(place, list_parts(person))) for person in people)
    return Pose(placed, *canvas, tuple(part for animal in animals if (part := place(animal)) is not None))


def _parse_person(person: Any, notes: list[str]) -> Person:
    if not isinstance(person, (dict, list)):
        raise BadImage(f"{lists.describe(person)} instead of a person", where="people", fix=lists.FORMAT)
    fields: dict[str, Any] = person if isinstance(person, dict) else {"keypoints": person}
    body = _parse_body(fields, notes)
    _key, given = _take(fields, _FACE_KEYS)
    face = _parse_face(given, notes) or body.face
    hands = [_parse_hand(fields, keys) for keys in (_LEFT_KEYS, _RIGHT_KEYS)]
    parts = (body.body, face, hands[0] or body.left_hand, hands[1] or body.right_hand)
    return Person(*parts, parse_person_id(fields.get("person_id")))


def _take(fields: dict[str, Any], keys: Sequence[str]) -> tuple[str, Any]:
    """The first key that holds something; MMPose puts a list of one list around its keypoints."""
    key = next((key for key in keys if fields.get(key) not in (None, [], {})), keys[0])
    return key, fields.get(key)


def _parse_body(fields: dict[str, Any], notes: list[str]) -> Person:
    key, given = _take(fields, _BODY_KEYS)
    scores = next((fields[name] for name in _SCORES if isinstance(fields.get(name), list)), None)
    found = lists.parse_list(given, lists.BODIES, scores, key)
    if found is None:
        _check_flat(fields)
        return Person()
    if found.named is not None:
        return Person(found.named)
    count = len(found.points)
    if count in (FACE, FACE - 1, FACE - 2) and key == "keypoints":
        return Person(face=_fill(found.points, FACE))
    if count not in LAYOUTS:
        known = ", ".join(map(str, sorted(LAYOUTS)))
        like = f": it looks like {UNREADABLE[count]}" if count in UNREADABLE else ""
        fix = f"{lists.FORMAT}; bodies have {known} keypoints"
        raise BadImage(f"{count} keypoints instead of {BODY} x 3 numbers{like}", where=key, fix=fix)
    layout = choose_layout(found.points)
    if count != BODY:
        left_out = f"; left out: {layout.left_out}" if layout.left_out else "; the neck is the middle of the shoulders"
        notes.append(f"{count} keypoints were read as {layout.title}{left_out}")
    parts = (None if one is None else found.points[one] for one in (layout.face, layout.left_hand, layout.right_hand))
    face, left, right = (part if part is not None and any(part) else None for part in parts)
    return Person(to_body(found.points, layout), None if face is None else _fill(face, FACE), left, right)


def _check_flat(fields: dict[str, Any]) -> None:
    """Refuse a person whose body is known in space only. Raises BadImage."""
    deep = "pose_keypoints_3d"
    if fields.get(deep) or (deep in fields and not any(key in fields for key in _BODY_KEYS)):
        what = "this is not OpenPose JSON: it looks like OpenPose's 3D output, without 2D keypoints"
        raise BadImage(what, where=deep, fix=f"write 2D keypoints; {lists.FORMAT}")


def _fill(points: Keypoints, count: int) -> Keypoints:
    return points + (None,) * (count - len(points))


def _parse_face(given: Any, notes: list[str]) -> Keypoints | None:
    """A face of up to 70 keypoints; those of another form are left out, with a note."""
    found = lists.parse_list(given, lists.FACES, None, _FACE_KEYS[0])
    if found is None:
        return None
    count = len(found.points)
    if count > FACE:
        like = f", which look like {UNREADABLE[count]}," if count in UNREADABLE else ""
        notes.append(f"faces of {count} keypoints{like} were left out: {FACE} are read")
        return None
    if count < FACE - 2:
        notes.append(
            f"faces of {count} keypoints in place of {FACE}: their dots are drawn, their regions are not known"
        )
    return _fill(found.points, FACE)


def _parse_hand(fields: dict[str, Any], keys: Sequence[str]) -> Keypoints | None:
    key, given = _take(fields, keys)
    found = lists.parse_list(given, lists.HANDS, None, key)
    if found is not None and len(found.points) != HAND:
        raise BadImage(f"{len(found.points)} keypoints instead of {HAND} x 3 numbers", where=key, fix=lists.FORMAT)
    return None if found is None else found.points


def _parse_animal(given: Any) -> Keypoints | None:
    rows: list[Any] = given if isinstance(given, list) else []
    if any(isinstance(row, list) and len(row) != 3 for row in rows):
        raise BadImage("a keypoint is not x, y and confidence", where="animals", fix=lists.FORMAT)
    found = lists.parse_list(given, (ANIMAL,), None, "animals")
    if found is not None and len(found.points) != ANIMAL:
        raise BadImage(f"{len(found.points)} keypoints instead of {ANIMAL} x 3", where="animals", fix=lists.FORMAT)
    return None if found is None else found.points
