"""Poses as DWPose's Python code passes them: {bodies: {candidate, subset}, hands, faces}, relative to the picture."""

from __future__ import annotations

from typing import Any

from .model import BODY


def is_dwpose(data: dict[str, Any]) -> bool:
    """Whether an object has that form."""
    bodies = data.get("bodies")
    return isinstance(bodies, dict) and "candidate" in bodies and "subset" in bodies


def split_dwpose(data: dict[str, Any]) -> list[dict[str, Any]]:
    """People one by one: rows of a subset are indices of candidates, -1 for none; hands: right ones, then left ones."""
    bodies = data["bodies"]
    candidates, rows = _to_list(bodies["candidate"]), [_to_list(row) for row in _to_list(bodies["subset"])]
    hands, faces = _to_list(data.get("hands")), _to_list(data.get("faces"))
    count = len(rows)
    people: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        person: dict[str, Any] = {"pose_keypoints_2d": [_pick(candidates, index) for index in row[:BODY]]}
        if len(hands) == 2 * count:
            person["hand_right_keypoints_2d"] = hands[number]
            person["hand_left_keypoints_2d"] = hands[count + number]
        if len(faces) == count:
            person["face_keypoints_2d"] = faces[number]
        people.append(person)
    return people


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _pick(candidates: list[Any], index: Any) -> list[Any] | None:
    place = int(index) if isinstance(index, (int, float)) and index == index and abs(index) < len(candidates) else -1
    return _to_list(candidates[place])[:2] if place >= 0 else None
