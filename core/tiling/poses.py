"""People of a whole picture and of its tiles as one pose: nobody twice, and nobody cut in two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..poses.model import Keypoint, Keypoints, Pose, list_parts, map_keypoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from ..images.geometry import Size
    from .plan import Box

    Being = TypeVar("Being")

NEAR = 0.15
"""How far apart the keypoints of one person may lie in two answers, as a share of the person's diagonal."""


def join_poses(whole: Pose, tiles: Iterable[tuple[Box, Pose]], size: Size, margin: int) -> Pose:
    """Everybody once, on the canvas of `whole`; size: of the picture that the boxes lie in.

    From a tile comes who lies in it with `margin` pixels to every side where the picture goes on: others are cut, and
    the whole picture or a neighbouring tile has them. Of two answers for one person the one with more keypoints stays.
    """
    people, animals = list(whole.people), list(whole.animals)
    canvas = whole.width / size.width, whole.height / size.height
    for box, pose in tiles:
        placed = _place(pose, box, canvas, whole)
        inside = _make_frame(box, size, margin, canvas)
        _add(people, [p for p in placed.people if inside(_list_points(list_parts(p)))], lambda p: p.body, list_parts)
        _add(animals, [a for a in placed.animals if inside(_list_points((a,)))], lambda a: a, lambda a: (a,))
    return Pose(tuple(people), whole.width, whole.height, tuple(animals))


def _place(pose: Pose, box: Box, canvas: tuple[float, float], whole: Pose) -> Pose:
    from ..images.geometry import Size

    def move(point: Keypoint) -> Keypoint:
        return Keypoint((point.x + box.left) * canvas[0], (point.y + box.top) * canvas[1], point.confidence)

    return map_keypoints(pose, move, Size(whole.height, whole.width))


def _make_frame(box: Box, size: Size, margin: int, canvas: tuple[float, float]) -> Callable[[list[Keypoint]], bool]:
    low_x = (box.left + margin) * canvas[0] if box.left else -math.inf
    low_y = (box.top + margin) * canvas[1] if box.top else -math.inf
    right, bottom = box.left + box.size.width, box.top + box.size.height
    high_x = (right - margin) * canvas[0] if right < size.width else math.inf
    high_y = (bottom - margin) * canvas[1] if bottom < size.height else math.inf
    return lambda points: bool(points) and all(low_x <= p.x <= high_x and low_y <= p.y <= high_y for p in points)


def _add(
    known: list[Being],
    found: Iterable[Being],
    body: Callable[[Being], Keypoints],
    parts: Callable[[Being], Sequence[Keypoints | None]],
) -> None:
    for being in found:
        same = [number for number, other in enumerate(known) if _is_same(body(being), body(other))]
        if not same:
            known.append(being)
            continue
        first = same[0]
        if _rank(parts(being)) >= max(_rank(parts(known[number])) for number in same):
            known[first] = being
        for number in reversed(same[1:]):
            del known[number]


def _rank(parts: Iterable[Keypoints | None]) -> tuple[int, float]:
    points = _list_points(parts)
    return len(points), sum(point.confidence for point in points)


def _list_points(parts: Iterable[Keypoints | None]) -> list[Keypoint]:
    return [point for part in parts for point in part or () if point is not None]


def _is_same(one: Keypoints, other: Keypoints) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(pairs) < min(3, sum(p is not None for p in one)) or not pairs:
        return False
    reach = min(_find_diagonal(one), _find_diagonal(other))
    return sum(math.dist(a[:2], b[:2]) for a, b in pairs) / len(pairs) <= NEAR * max(reach, 1.0)


def _find_diagonal(points: Keypoints) -> float:
    seen = [point for point in points if point is not None]
    xs, ys = [point.x for point in seen], [point.y for point in seen]
    return math.hypot(max(xs) - min(xs), max(ys) - min(ys))
