"""Poses over time: who is who, gaps filled, jitter smoothed; in one pass that holds no more frames than a gap has."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import Figures, animal_points, to_points, to_pose
from .one_euro import OneEuroFilter
from .tracks import MEMORY, Tracker, find_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..poses.model import Pose
    from .options import TemporalOptions
    from .redrawing import PoseDrawing
    from .tracks import Points
    from .types import FrameMap


@dataclass
class _Item:
    item: FrameMap
    figures: Figures


def filter_poses(
    maps: Iterator[FrameMap], annotator: PoseDrawing, params: Any, options: TemporalOptions, rate: float
) -> Iterator[FrameMap]:
    """Maps in order, drawn again from poses whose people have numbers that they keep. rate: frames in a second."""
    items = _follow(maps, max(MEMORY, (options.fill_gaps + 1.5) / rate))
    if options.fill_gaps:
        items = fill_gaps(items, options.fill_gaps)
    if options.smoothing:
        items = smooth_jitter(items, options.smoothing, options.smoothing_speed)
    changed = bool(options.fill_gaps or options.smoothing)
    for one in items:
        old = _take_pose(one.item)
        poses = (to_pose(*one.figures, old.width, old.height),)
        images = annotator.draw_poses(poses, params) if changed else one.item.control_map.images
        yield one.item.replace_map(poses=poses, images=images)


def _take_pose(item: FrameMap) -> Pose:
    poses = item.control_map.poses
    if not poses:
        raise TypeError("a map of poses has poses")
    return poses[0]


def _follow(maps: Iterator[FrameMap], memory: float) -> Iterator[_Item]:
    """Figures of each frame, numbered, in the order in which they were found."""
    people, animals = Tracker(memory), Tracker(memory)
    for item in maps:
        pose = _take_pose(item)
        persons = [to_points(person) for person in pose.people]
        beasts = [animal_points(animal) for animal in pose.animals]
        numbers = people(persons, item.time), animals(beasts, item.time)
        yield _Item(
            item,
            Figures(dict(zip(numbers[0], persons, strict=True)), dict(zip(numbers[1], beasts, strict=True))),
        )


def fill_gaps(items: Iterator[_Item], longest: int) -> Iterator[_Item]:
    """Put what is missing for up to `longest` frames on the straight line between before and after."""
    window: deque[_Item] = deque()
    for item in items:
        window.append(item)
        for place in range(len(item.figures)):
            _fill_back(list(window), place)
        if len(window) > longest + 1:
            yield window.popleft()
    yield from window


def _fill_back(window: list[_Item], place: int) -> None:
    """Fill the frames before the last one of a window, for each point of it that was missing and is back.

    The window holds one frame more than the longest gap before its last one, so a point that is in none is left.
    """
    last = window[-1]
    for number, points in last.figures[place].items():
        wanting = np.isfinite(points[:, 0])
        for start in range(len(window) - 2, -1, -1):
            before = window[start].figures[place].get(number)
            seen = np.zeros(len(points), bool) if before is None else np.isfinite(before[:, 0])
            found = wanting & seen
            if before is not None and start < len(window) - 2 and found.any():
                _interpolate(window[start:], place, number, before, found)
            wanting = wanting & ~seen
            if not wanting.any():
                break


def _interpolate(window: list[_Item], place: int, number: int, before: Points, found: Any) -> None:
    first, last = window[0], window[-1]
    after = last.figures[place][number]
    for one in window[1:-1]:
        share = (one.item.time - first.item.time) / max(last.item.time - first.item.time, 1e-9)
        points = one.figures[place].setdefault(number, np.full_like(after, np.nan))
        points[found] = (1 - share) * before[found] + share * after[found]


def smooth_jitter(items: Iterator[_Item], strength: float, speed: float) -> Iterator[_Item]:
    """Smooth every figure by a One-Euro filter of its own. strength: 1 / cutoff in Hz. speed: see `OneEuroFilter`."""
    filters: tuple[dict[int, OneEuroFilter], ...] = ({}, {})
    for item in items:
        for place, figures in enumerate(item.figures):
            for number, points in figures.items():
                smooth = filters[place].setdefault(number, OneEuroFilter(1 / strength, speed))
                smooth_points = smooth(points[:, :2], item.item.time, find_length(points))
                figures[number] = np.concatenate([smooth_points, points[:, 2:]], axis=1)
        _forget(filters, item)
        yield item


def _forget(filters: tuple[dict[int, OneEuroFilter], ...], item: _Item) -> None:
    """Drop the filters of whom nobody has seen for many others, so that they do not pile up over a long clip."""
    for kept, figures in zip(filters, item.figures, strict=True):
        while len(kept) > 256 + len(figures):
            del kept[next(number for number in kept if number not in figures)]
