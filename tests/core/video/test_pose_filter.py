from __future__ import annotations

import numpy as np
import pytest
from tests.support.clips import DrawnPoses, create, person_at, pose_items

from underdrawing.core.poses.model import Person, Pose
from underdrawing.core.video.options import TemporalOptions
from underdrawing.core.video.pose_filter import filter_poses

LENGTH = 12


def run(frames: list[list[Person]], **options: float) -> list[Pose]:
    annotator = create(DrawnPoses)
    chosen = TemporalOptions(**options)  # type: ignore[arg-type]
    maps = list(filter_poses(pose_items(frames), annotator, annotator.defaults, chosen, 25.0))
    assert [item.frame.number for item in maps] == list(range(len(frames)))
    return [item.control_map.poses[0] for item in maps if item.control_map.poses]


def walk(missing: dict[int, list[int]] | None = None, lost: range = range(0)) -> list[list[Person]]:
    """One person who walks to the right; missing: frame → keypoints that were not found. lost: frames without them."""
    missing = missing or {}
    return [[] if i in lost else [person_at(100 + 4 * i, 100, 60, missing.get(i, ()))] for i in range(LENGTH)]


def test_people_get_numbers_and_nothing_else_changes_by_default() -> None:
    poses = run(walk({3: [4, 5]}, range(6, 8)))
    assert [[one.person_id for one in pose.people] for pose in poses] == [[] if i in (6, 7) else [0] for i in range(12)]
    assert [p.people[0].body for p in poses if p.people] == [p[0].body for p in walk({3: [4, 5]}, range(6, 8)) if p]


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_gaps_up_to_the_longest_are_filled_on_a_straight_line(gap: int) -> None:
    lost = range(4, 4 + gap)
    for longest in range(4):
        poses = run(walk({9: [0]}, lost), fill_gaps=longest)
        assert [bool(poses[i].people) for i in lost] == [longest >= gap] * gap
        assert (poses[9].people[0].body[0] is not None) == (longest >= 1)
        if longest >= gap:
            for pose, people in zip(poses, walk(), strict=True):
                body = [p for p in pose.people[0].body if p]
                assert body == [pytest.approx(p) for p in people[0].body]
                assert pose.people[0].person_id == 0


def test_nothing_is_filled_in_before_the_first_or_behind_the_last() -> None:
    poses = run(walk(lost=range(3)), fill_gaps=10)
    assert [bool(pose.people) for pose in poses[:4]] == [False] * 3 + [True]
    poses = run(walk(lost=range(9, 12)), fill_gaps=10)
    assert [bool(pose.people) for pose in poses[8:]] == [True] + [False] * 3


def test_smoothing_takes_jitter_away_and_follows() -> None:
    rng = np.random.default_rng(0)
    jitter = rng.normal(0, 1.5, (60, 2))
    shaken = [[person_at(200 + float(x), 200 + float(y), 100)] for x, y in jitter]

    def spread(poses: list[Pose]) -> float:
        return float(np.std([pose.people[0].body[4].x for pose in poses[10:] if pose.people[0].body[4]]))

    raw, smooth, smoother = (spread(run(shaken, smoothing=strength)) for strength in (0.0, 1.0, 4.0))
    assert raw > 1.8 * smooth
    assert smooth > smoother
    moving = [[person_at(100 + 5.0 * i, 200, 100)] for i in range(40)]
    behind = [m[0].body[0].x - p.people[0].body[0].x for m, p in zip(moving, run(moving, smoothing=1.0), strict=True)]  # type: ignore[union-attr]
    assert max(map(abs, behind)) < 8


def test_animals_are_filled_in_too() -> None:
    poses = [
        Pose((), 400, 400, ((*person_at(100 + 4 * i, 100, 60).body[:17],) * (i != 2),)[: i != 2]) for i in range(4)
    ]
    items = list(pose_items([[]] * 4))
    items = [item.replace_map(poses=(pose,)) for item, pose in zip(items, poses, strict=True)]
    annotator = create(DrawnPoses)
    made = filter_poses(iter(items), annotator, annotator.defaults, TemporalOptions(fill_gaps=1), 25.0)
    assert [len(item.control_map.poses[0].animals) for item in made if item.control_map.poses] == [1, 1, 1, 1]


def test_maps_are_drawn_from_the_filled_poses() -> None:
    annotator = create(DrawnPoses)
    options = TemporalOptions(fill_gaps=2)
    for item in filter_poses(pose_items(walk(lost=range(4, 6))), annotator, annotator.defaults, options, 25.0):
        assert item.control_map.images.any()
