"""Raw outputs of MediaPipe and MoveNet, which are no OpenPose JSON by any key."""

from __future__ import annotations

from typing import Any

from .keypoint_lists import is_number

LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks")
"""Keys of MediaPipe's bodies: landmarks of one person, or lists of them, or an object around either."""
BESIDE = (
    *("face_landmarks", "faceLandmarks", "left_hand_landmarks", "right_hand_landmarks"),
    *("leftHandLandmarks", "rightHandLandmarks"),
)
"""Keys of what MediaPipe writes beside the bodies."""
MOVENET = "MoveNet's output was read: y stands before x"
_COCO = 17
_NEAR = 1.5
"""Farthest that MoveNet's shares of the picture lie from its upper left corner."""


def is_landmark(value: Any) -> bool:
    """Whether a value is an object of x and y."""
    return isinstance(value, dict) and is_number(value.get("x")) and is_number(value.get("y"))


def find_landmarks(data: dict[str, Any]) -> list[Any]:
    """People of MediaPipe's landmarks, each as a list of objects; empty where there are none."""
    value = next((data[key] for key in LANDMARKS if data.get(key)), None)
    people = _unwrap(value)
    if people and all(map(is_landmark, people)):
        return [people]
    inner = [_unwrap(one) for one in people]
    return inner if inner and all(one and all(map(is_landmark, one)) for one in inner) else []


def _unwrap(value: Any) -> list[Any]:
    """A list, also out of a message of MediaPipe: ``{landmark: [...]}``."""
    inner: Any = value.get("landmark") if isinstance(value, dict) else value
    return inner if isinstance(inner, list) else []


def find_movenet(data: list[Any]) -> list[Any]:
    """People of MoveNet's outputs [1, 1, 17, 3] and [1, people, 56], as rows of x, y and score; empty if it is none.

    Both hold y, x and score, as shares of the picture; the second one also a box and a score of the person.
    """
    inner: Any = data[0] if len(data) == 1 else None
    if not isinstance(inner, list) or not inner:
        return []
    if len(inner) == 1 and isinstance(inner[0], list) and len(inner[0]) == _COCO:
        return [_turn(inner[0])] if all(map(_is_triple, inner[0])) else []
    flat = all(isinstance(one, list) and len(one) == 3 * _COCO + 5 and all(map(_is_share, one)) for one in inner)
    people = [[one[i : i + 3] for i in range(0, 3 * _COCO, 3)] for one in inner] if flat else []
    return [_turn(rows) for rows in people if any(row[2] > 0 for row in rows)]


def _is_triple(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(map(_is_share, row))


def _is_share(value: Any) -> bool:
    return is_number(value) and abs(value) <= _NEAR


def _turn(rows: list[list[Any]]) -> list[list[Any]]:
    return [[x, y, score] for y, x, score in rows]
