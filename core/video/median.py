"""Median of maps over time, each moved to where its frame's content lies in the frame at hand."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from .motion import find_flow, match_frames, shrink_frame, warp_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .motion import Flow, Grey
    from .types import FrameMap


class _Neighbour(NamedTuple):
    number: int
    item: FrameMap
    grey: Grey


class _Flows:
    """Flows between frames of a window, each computed once; those of frames that left it are dropped."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Flow] = {}

    def match(self, own: _Neighbour, other: _Neighbour) -> tuple[Flow, NDArray[np.bool_]]:
        """As `match_frames`."""
        return match_frames(own.grey, other.grey, (self._find(own, other), self._find(other, own)))

    def forget(self, before: int) -> None:
        """Drop the flows of frames before a number."""
        self._known = {pair: flow for pair, flow in self._known.items() if min(pair) >= before}

    def _find(self, target: _Neighbour, source: _Neighbour) -> Flow:
        pair = target.number, source.number
        if pair not in self._known:
            self._known[pair] = find_flow(target.grey, source.grey)
        return self._known[pair]


def filter_median(maps: Iterator[FrameMap], reach: int, *, binary: bool) -> Iterator[FrameMap]:
    """Maps in order, each the median of itself and of `reach` frames before and after, moved by optical flow.

    Where a neighbour does not show what the frame shows (hidden, another scene) the frame's own value stands in for it.
    binary: maps are black and white, and stay so: a pixel stays white where at least half of the frames have a white
    pixel within one pixel of it, and becomes white where more than half have one in its place. Holds 2 reach + 1
    frames.
    """
    window: deque[_Neighbour] = deque()
    flows, middle = _Flows(), 0
    for number, item in enumerate(maps):
        window.append(_Neighbour(number, item, shrink_frame(item.pixels)))
        if number >= reach:
            yield _filter(window, middle, flows, binary=binary)
            middle = _advance(window, middle, reach, flows)
    while middle < len(window):
        yield _filter(window, middle, flows, binary=binary)
        middle = _advance(window, middle, reach, flows)


def _advance(window: deque[_Neighbour], middle: int, reach: int, flows: _Flows) -> int:
    """Place of the next frame in the window, from which the first one goes when it is out of reach."""
    if middle < reach:
        return middle + 1
    window.popleft()
    flows.forget(window[0].number if window else 0)
    return middle


def _filter(window: Sequence[_Neighbour], middle: int, flows: _Flows, *, binary: bool) -> FrameMap:
    own = window[middle]
    moves = [flows.match(own, other) for other in window if other is not own]
    others = [other for other in window if other is not own]
    result = own.item.control_map
    images = [
        _move(other.item.control_map.images[0], result.images[0], *move, nearest=binary)
        for other, move in zip(others, moves, strict=True)
    ]
    combined = _vote(result.images[0], images) if binary else _find_median(result.images[0], images)
    values = result.values
    if values is not None:
        planes = [
            _move(other.item.control_map.values[0], values[0], *move, nearest=binary)  # type: ignore[index]
            for other, move in zip(others, moves, strict=True)
        ]
        values = (combined[..., 0] > 127).astype(np.float32) if binary else _find_median(values[0], planes)
        values = np.ascontiguousarray(values)[None]
    return replace(own.item, control_map=replace(result, images=combined[None], values=values))


def _move(
    other: NDArray[Any], own: NDArray[Any], flow: Flow, explained: NDArray[np.bool_], *, nearest: bool
) -> NDArray[Any]:
    height, width = own.shape[:2]
    moved = warp_back(other, flow, nearest=nearest)
    known = cv2.resize(explained.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return np.where(known if own.ndim == 2 else known[..., None], moved, own)


def _find_median(own: NDArray[Any], others: list[NDArray[Any]]) -> NDArray[Any]:
    """Median with the frame itself; of an even number the one nearer to the frame's own value."""
    stack = np.sort(np.stack([own, *others]), axis=0)
    low, high = stack[(len(stack) - 1) // 2], stack[len(stack) // 2]
    return np.clip(own, low, high).astype(own.dtype)


def _vote(own: NDArray[np.uint8], others: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    white = own[..., 0] > 127
    planes = [other[..., 0] > 127 for other in others]
    kernel = np.ones((3, 3), np.uint8)
    near = [cv2.dilate(plane.astype(np.uint8), kernel) > 0 for plane in planes]
    count = len(planes) + 1
    support = white.astype(np.int16) + sum(plane.astype(np.int16) for plane in near)
    exact = white.astype(np.int16) + sum(plane.astype(np.int16) for plane in planes)
    stays = white & (2 * support >= count)
    added = ~white & (2 * exact > count)
    return np.repeat(np.where(stays | added, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
