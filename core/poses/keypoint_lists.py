"""Lists of keypoints in whatever form a program writes them: flat numbers, pairs, triples, objects, names.

A keypoint is missing where its confidence is 0, a coordinate is null, or, without confidences, at exactly (0, 0) or
(-1, -1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadImage
from .layouts import LAYOUTS, from_names
from .model import FACE, HAND, Keypoint, Keypoints

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FORMAT = "expected {people: [{pose_keypoints_2d: [x, y, c, ...], ...}], canvas_height, canvas_width}"
BODIES = frozenset(LAYOUTS)
FACES = frozenset(range(1, FACE + 1))
HANDS = frozenset((HAND,))
CONFIDENCES = ("score", "confidence", "c", "conf", "visibility", "v", "probability", "prob", "likelihood")
MOST = 100_000
"""Largest number of keypoints in one list."""


class KeypointList(NamedTuple):
    """points: as they stand in the file. named: OpenPose's 18, where the keypoints bear names."""

    points: Keypoints
    named: Keypoints | None = None


def parse_list(given: Any, counts: Collection[int], scores: Any, where: str) -> KeypointList | None:
    """Read a list of keypoints; None where it is empty or null. scores: a list of confidences beside it, or None.

    counts: numbers of keypoints that tell triples from pairs among flat numbers. Raises BadImage.
    """
    if given is None or given in ([], {}):
        return None
    if isinstance(given, dict) and all(isinstance(given.get(axis), list) for axis in "xy"):
        scores = scores or next((given[name] for name in ("visible", *CONFIDENCES) if given.get(name)), None)
        given = [list(pair) for pair in zip(given["x"], given["y"], strict=False)]
    if isinstance(given, dict):
        items = [(str(name), _parse_point(point, where)) for name, point in given.items()]
        return KeypointList(tuple(point for _, point in items), from_names(items))
    if not isinstance(given, list):
        raise BadImage(f"{describe(given)} instead of a list of keypoints", where=where, fix=FORMAT)
    if all(isinstance(entry, dict) for entry in given):
        items = [(_find_name(entry), _parse_point(entry, where)) for entry in given]
        return KeypointList(tuple(point for _, point in items), from_names(items))
    separate = _parse_scores(scores, where)
    rows = _split(given, counts, separate, where)
    if separate is not None and len(separate) == len(rows):
        rows = [[*row[:2], score] for row, score in zip(rows, separate, strict=True)]
    return KeypointList(tuple(_build(row, where) for row in rows))


def describe(value: Any) -> str:
    """What JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def is_number(value: Any) -> bool:
    """Whether a value is a number of JSON."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_row(value: Any) -> bool:
    """Whether a value is a keypoint of two to five numbers; nulls count."""
    return isinstance(value, list) and 2 <= len(value) <= 5 and all(n is None or is_number(n) for n in value)


def _split(given: list[Any], counts: Collection[int], scores: Sequence[Any] | None, where: str) -> list[list[Any]]:
    """Rows of x, y and, if there, confidence."""
    if any(isinstance(entry, (list, dict)) for entry in given):
        return [entry if isinstance(entry, list) else [None, None] for entry in map(_to_row, given)]
    if not all(entry is None or is_number(entry) for entry in given):
        odd = next(entry for entry in given if entry is not None and not is_number(entry))
        raise BadImage(f"{describe(odd)} among the numbers", where=where, fix=FORMAT)
    strides = [n for n in (3, 2, 4) if len(given) % n == 0 and len(given) // n in counts]
    if strides == [4] and not all(n is None or 0 <= n <= 1 for n in given[3::4]):
        strides = []  # x, y, z and visibility, or triples of an order that is not known
    if scores is not None and len(given) == 2 * len(scores):
        strides = [2]
    if strides[:1] == [2] and scores is None and _has_confidences(given):
        strides = [3]
    if not strides:
        # a list whose order is not known: triples as OpenPose writes them, so that its length can be named
        strides = [n for n in (3, 2) if len(given) % n == 0]
    if not strides or len(given) > MOST:
        count = f"{min(counts)} x 3" if len(counts) == 1 else "x, y and confidence for each keypoint"
        raise BadImage(f"{len(given)} numbers instead of {count}", where=where, fix=FORMAT)
    return [given[i : i + strides[0]] for i in range(0, len(given), strides[0])]


def _has_confidences(numbers: list[Any]) -> bool:
    """Whether every third number looks like a confidence among pixels."""
    third = [number for number in numbers[2::3] if number is not None]
    return len(numbers) % 3 == 0 and all(0 <= n <= 1 for n in third) and any(n is not None and n > 4 for n in numbers)


def _to_row(entry: Any) -> Any:
    if isinstance(entry, dict):
        x, y, score = _read_object(entry)
        return [x, y, score]
    return entry


def _parse_point(entry: Any, where: str) -> Keypoint | None:
    if entry is None:
        return None
    row = _to_row(entry)
    if not isinstance(row, list):
        raise BadImage(f"{describe(entry)} instead of a keypoint", where=where, fix=FORMAT)
    return _build(row, where)


def _read_object(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    inner: Any = entry.get("position", entry)
    place: dict[str, Any] = inner if isinstance(inner, dict) else entry
    score: Any = next((entry[name] for name in CONFIDENCES if entry.get(name) is not None), None)
    x, y = ((place.get(name, place.get(name.upper()))) for name in ("x", "y"))
    return x, y, score


def _find_name(entry: dict[str, Any]) -> str:
    return next(
        (
            entry[key]
            for key in ("name", "part", "class_name", "class", "label", "keypoint")
            if isinstance(entry.get(key), str)
        ),
        "",
    )


def _parse_scores(scores: Any, where: str) -> list[Any] | None:
    if not isinstance(scores, list) or not scores:
        return None
    flat: list[Any] = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in scores]
    if not all(one is None or is_number(one) for one in flat):
        raise BadImage("the confidences are no list of numbers", where=where, fix=FORMAT)
    return flat


def _build(row: list[Any], where: str) -> Keypoint | None:
    """Keypoint of x, y and confidence (the fourth of four: x, y, z, visibility); None where it is missing."""
    if row and not (2 <= len(row) <= 5):
        raise BadImage(f"{len(row)} numbers instead of x, y and confidence", where=where, fix=FORMAT)
    odd = next((number for number in row if number is not None and not is_number(number)), None)
    if odd is not None:
        raise BadImage(f"{describe(odd)} instead of a number", where=where, fix=FORMAT)
    if not all(math.isfinite(number) for number in row if number is not None):
        raise BadImage("a number is not finite", where=where, fix="save the poses again")
    if not row or row[0] is None or row[1] is None:
        return None
    confidence = None if len(row) == 2 else row[3] if len(row) > 3 else row[2]
    x, y = float(row[0]), float(row[1])
    if confidence is None:
        return None if (x, y) in ((0, 0), (-1, -1)) else Keypoint(x, y)
    return Keypoint(x, y, min(float(confidence), 1.0)) if confidence > 0 else None
