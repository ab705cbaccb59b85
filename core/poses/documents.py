"""Finds pictures and their people in JSON of any origin, before anything is known of coordinates.

OpenPose and what writes its form (A1111, ComfyUI, DWPose), the editors' {width, height, keypoints}, MMPose's lists and
instance_info, COCO's results and annotations, AlphaPose, answers of an API around any of them, and bare arrays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadImage
from .canvases import has_canvas, read_canvas
from .dwpose import is_dwpose, split_dwpose
from .forms import describe_form
from .keypoint_lists import FORMAT, is_number, is_row
from .landmarks import BESIDE as LANDMARKS_BESIDE
from .landmarks import MOVENET, find_landmarks, find_movenet, is_landmark

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = ("people", "persons", "instances", "bodies", "skeletons", "poses", "detections", "predictions", "annotations")
"""Keys under which a picture's people stand."""
PERSON = (
    *("pose_keypoints_2d", "pose_keypoints", "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
    *("keypoints", "joints", "body_keypoints_2d", "keypoints_2d", "body", "face_keypoints", "hand_left_keypoints"),
    *("hand_right_keypoints", "left_hand", "right_hand", "landmarks", "pose_landmarks", "lefthand_kpts", "face_kpts"),
    "pose_keypoints_3d",
)
"""Keys that make an object a person."""
WRAPPERS = (
    *("poses", "pose", "openpose_json", "openpose", "result", "results", "data", "output", "outputs", "response"),
    *("predictions", "frames", "detections", "body", "value", "ui", "output_0"),
)
"""Keys around poses in answers of an API."""
BESIDE = ("hands", "faces", "face", "hand")
"""Keys of what some editors keep beside the bodies."""
DEPTH = 12
"""Deepest nesting that is looked into."""


class Document(NamedTuple):
    """One picture. people and animals as they stand in the file; canvas: width and height, where they are stated.

    left_out: keys that hold something of which it is not known whose it is. notes: how the form was understood.
    """

    people: list[Any]
    animals: list[Any] | None = None
    canvas: tuple[int, int] | None = None
    name: str = ""
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Documents(NamedTuple):
    """Pictures of a file. is_list: they stood in a list, one for each picture."""

    pictures: list[Document]
    is_list: bool


def find_documents(data: Any, depth: int = 0) -> Documents:
    """Find pictures and their people. Raises BadImage, which says what the data looks like."""
    if isinstance(data, str) and data.lstrip()[:1] in ("{", "[") and data.strip():
        return find_documents(_parse(data), depth + 1)
    found = _find(data, depth) if depth <= DEPTH else None
    if found is None:
        raise BadImage(f"this is not OpenPose JSON: {describe_form(data)}", fix=FORMAT)
    return found


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadImage(f"this is not JSON ({error})", fix=FORMAT) from error


def _find(data: Any, depth: int) -> Documents | None:
    if isinstance(data, dict):
        return _find_in_object(data, depth)
    if isinstance(data, list):
        return _find_in_list(data, depth)
    return None


def _find_in_object(data: dict[str, Any], depth: int) -> Documents | None:
    canvas = read_canvas(data)
    if is_dwpose(data):
        return Documents([Document(split_dwpose(data), None, canvas)], is_list=False)
    if landmarks := find_landmarks(data):
        beside = tuple(key for key in LANDMARKS_BESIDE if data.get(key))
        return Documents([Document(landmarks, None, canvas, left_out=beside)], is_list=False)
    if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        named = [one for one in data["annotations"] if isinstance(one, dict) and one.get("keypoints")]
        return _group(named, _read_image_sizes(data["images"])) if named else None
    if isinstance(data.get("instance_info"), list):
        return _find_instances(data["instance_info"], canvas, depth)
    if isinstance(data.get("animals"), list) and not data.get("people"):
        return Documents([Document([], data["animals"], canvas)], is_list=False)
    data = {key: _list_numbered(value) if key in PEOPLE else value for key, value in data.items()}
    for key in PEOPLE:
        if key in data and _are_people(data[key]) and (data[key] or key == "people"):
            return _take_people(data, data[key] or [], canvas)
    if people := _find_editor_people(data):
        left_out = tuple(key for key in BESIDE if data.get(key))
        return Documents([Document(people, None, canvas, left_out=left_out)], is_list=False)
    if any(isinstance(data.get(key), list) or (key != "body" and isinstance(data.get(key), dict)) for key in PERSON):
        return Documents([Document([data], None, canvas)], is_list=False)
    return _look_inside(data, depth)


def _list_numbered(value: Any) -> Any:
    """People of an object whose keys are their numbers, as a list; any other value as it is."""
    is_numbered = isinstance(value, dict) and value and all(key.isdecimal() for key in value)
    return list(value.values()) if is_numbered else value


def _take_people(data: dict[str, Any], people: list[Any], canvas: tuple[int, int] | None) -> Documents:
    if canvas is None and people and all(isinstance(one, dict) and "image_id" in one for one in people):
        return _group(people, {})
    animals = data.get("animals")
    return Documents([Document(people, animals if isinstance(animals, list) else None, canvas)], is_list=False)


def _are_people(value: Any) -> bool:
    """Whether a value is a list of people; null and an empty list are nobody."""
    return value is None or (isinstance(value, list) and all(one is None or _is_person(one) for one in value))


def _is_person(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key in value for key in PERSON) or (not value)
    return (
        isinstance(value, list)
        and len(value) > 2
        and all(one is None or is_row(one) or _is_place(one) for one in value)
    )


def _is_place(value: Any) -> bool:
    """Whether a value is a keypoint as an object, and no person."""
    return is_landmark(value) and not any(key in value for key in PERSON)


def _find_editor_people(data: dict[str, Any]) -> list[Any]:
    """People of the editors' form: keypoints[person][keypoint][x, y], or those of one person."""
    keypoints = data.get("keypoints")
    if not isinstance(keypoints, list) or not keypoints:
        return []
    nested = [one for one in keypoints if one is not None]
    return nested if nested and all(isinstance(one, list) and _holds_keypoints(one) for one in nested) else []


def _holds_keypoints(value: list[Any]) -> bool:
    """Whether a list is one person's keypoints and not one keypoint."""
    return len(value) > 5 or any(isinstance(one, (list, dict)) for one in value)


def _find_in_list(data: list[Any], depth: int) -> Documents | None:
    if not data:
        return Documents([], is_list=True)
    if movenet := find_movenet(data):
        return Documents([Document(movenet, notes=(MOVENET,))], is_list=False)
    if _is_bare_person(data):
        return Documents([Document([data])], is_list=False)
    if all(isinstance(one, dict) and any(key in one for key in PERSON) for one in data):
        if all(has_canvas(one) for one in data) and len(data) > 1:
            return Documents([Document([one], None, read_canvas(one)) for one in data], is_list=True)
        return _group(data, {})
    if all(isinstance(one, list) and _is_bare_person(one) for one in data):
        return Documents([Document(data)], is_list=False)
    if not any(isinstance(one, (dict, list, str)) for one in data):
        return None
    found = list(_find_each(data, depth))
    return Documents(found, is_list=True)


def _is_bare_person(data: list[Any]) -> bool:
    """Whether a list is the keypoints of one person: rows of numbers, or many numbers."""
    flat = len(data) > 30 and all(one is None or is_number(one) for one in data)
    return flat or _is_person(data)


def _find_each(data: list[Any], depth: int) -> Iterator[Document]:
    for number, one in enumerate(data):
        try:
            yield from find_documents(one, depth + 1).pictures
        except BadImage as error:
            raise BadImage(error.what, where=f"[{number}]{error.where}", fix=error.fix) from error


def _look_inside(data: dict[str, Any], depth: int) -> Documents | None:
    """Poses inside the answer of an API: under a known key, or of objects that nothing else is known of."""
    for key in WRAPPERS:
        value = data.get(key)
        if isinstance(value, (dict, list, str)) and value:
            try:
                found = find_documents(value, depth + 1)
            except BadImage:
                continue
            if found.pictures:
                return found
    inner = [value for value in data.values() if isinstance(value, dict)]
    found = [_find_in_object(value, depth + 1) for value in inner] if depth < DEPTH else []
    several = [one for one in found if one is not None and one.pictures]
    pictures = [picture for one in several for picture in one.pictures]
    return Documents(pictures, len(several) > 1 or several[0].is_list) if several else None


def _group(people: list[dict[str, Any]], sizes: dict[str, tuple[int, int]]) -> Documents:
    """People by the picture that each belongs to (COCO, AlphaPose); without pictures all are of one."""
    if not all("image_id" in one for one in people):
        return Documents([Document(list(people), None, read_canvas(people[0]))], is_list=False)
    groups: dict[str, list[Any]] = {name: [] for name in sizes}
    for one in people:
        groups.setdefault(str(one["image_id"]), []).append(one)
    found = [Document(members, None, sizes.get(name), name) for name, members in groups.items()]
    return Documents(found, is_list=len(found) > 1)


def _find_instances(info: list[Any], canvas: tuple[int, int] | None, depth: int) -> Documents:
    """MMPose's instance_info: people of a picture, or frames with their people."""
    if info and all(isinstance(one, dict) and isinstance(one.get("instances"), list) for one in info):
        return Documents([Document(one["instances"], None, canvas) for one in info], is_list=True)
    return Documents([Document(info, None, canvas)], is_list=False)


def _read_image_sizes(images: list[Any]) -> dict[str, tuple[int, int]]:
    found = {str(one["id"]): read_canvas(one) for one in images if isinstance(one, dict) and "id" in one}
    return {name: canvas for name, canvas in found.items() if canvas is not None}
