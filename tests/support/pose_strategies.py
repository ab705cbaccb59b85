"""Random keypoints for property tests, from few draws: a pose has hundreds of places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from underdrawing.core.poses.model import Keypoint

if TYPE_CHECKING:
    from underdrawing.core.poses.model import Keypoints


@st.composite
def keypoints(draw: st.DrawFn, point: st.SearchStrategy[Keypoint], count: int, least: int = 0) -> Keypoints:
    """So many keypoints with any gaps, `least` 1: not all of them gaps.

    Up to four are drawn; those after the first four are these again, each moved by its place, so that no two are equal.
    """
    there = draw(st.integers(least, 2**count - 1))
    points = draw(st.lists(point, min_size=1, max_size=4))

    def place(number: int) -> Keypoint | None:
        x, y, confidence = points[number % len(points)]
        return Keypoint(x + number, y + number / 3, confidence) if there >> number & 1 else None

    return tuple(map(place, range(count)))
