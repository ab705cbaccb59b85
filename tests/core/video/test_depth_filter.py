from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.clips import UnsteadyDepth, create, map_items, pan, texture

from underdrawing.core.video.depth_filter import RunningSpan, filter_depth
from underdrawing.core.video.options import TemporalOptions

if TYPE_CHECKING:
    from pathlib import Path

BIG = texture(160, 200)


def still(count: int = 8) -> list[np.ndarray]:
    """A camera that stands still, and a square that moves and is nearest and farthest in turn."""
    frames = [texture(96, 128) // 3 + 80 for _ in range(count)]
    for i, frame in enumerate(frames):
        frame[30:60, 10 + 8 * i : 40 + 8 * i] = 250 if i % 2 else 5
    return frames


def run(frames: list[np.ndarray], notes: list[str], folder: Path | None = None, **options: Any) -> list[Any]:
    annotator = create(UnsteadyDepth)
    maps = [annotator(frame[None], resolution=0) for frame in frames]
    chosen = TemporalOptions(**options)
    items = filter_depth(map_items(frames, maps), annotator, annotator.defaults, chosen, notes.append, folder)
    return [item.control_map for item in items]


def flicker(maps: list[Any]) -> float:
    """Mean change of the ground beside the square, between maps."""
    images = np.stack([one.images[0, 64:, :, 0] for one in maps]).astype(float)
    return float(np.abs(np.diff(images, axis=0)).mean())


def test_scale_and_shift_of_frames_are_matched_on_what_stands_still() -> None:
    notes: list[str] = []
    alone = run(still(), notes, depth_alignment="off", depth_range="frame")
    together = run(still(), notes)
    assert flicker(together) < 0.1 * flicker(alone)
    assert notes == []
    scales = [float(np.std(one.values[0, 64:])) for one in together]
    assert max(scales) < 1.05 * min(scales)


def test_a_median_takes_noise_away() -> None:
    plain, smooth = (flicker(run(still(), [], temporal_median=reach)) for reach in (0, 1))
    assert smooth < 0.8 * plain


def test_a_moving_camera_is_followed() -> None:
    frames = pan(BIG, [(2.5 * i, i) for i in range(8)], 96, 128)
    notes: list[str] = []
    spreads = [
        np.std([np.mean(one.values) for one in run(frames, notes, depth_alignment=how)]) for how in ("off", "static")
    ]
    assert spreads[1] < 0.2 * spreads[0]
    assert notes == []


def test_another_scene_is_noted_and_has_a_scale_of_its_own() -> None:
    notes: list[str] = []
    run([texture(96, 128, 1)] * 3 + [255 - texture(96, 128, 2)] * 3, notes)
    assert notes == ["depth: another scene begins at frame 3, it has a scale of its own"]


def test_one_range_for_the_clip_cuts_nothing_off(tmp_path: Path) -> None:
    made = run(still(), [], tmp_path)
    low, high = min(one.values.min() for one in made), max(one.values.max() for one in made)
    for one in made:
        expected = (one.values[0] - low) / (high - low) * 255
        assert np.abs(one.images[0, ..., 0] - expected).max() <= 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["running", "clip"])
def test_a_clip_without_depth_is_black(how: Any) -> None:
    frames = [np.full((40, 50, 3), 7, np.uint8)] * 3
    annotator = create(UnsteadyDepth)
    maps = [annotator(frame[None], resolution=0) for frame in frames]
    flat = [type(one)(one.images, np.zeros((1, 40, 50), np.float32)) for one in maps]
    items = filter_depth(
        map_items(frames, flat), annotator, annotator.defaults, TemporalOptions(depth_range=how), print
    )
    assert not any(item.control_map.images.any() for item in items)


def test_a_running_range_widens_at_once_and_narrows_slowly() -> None:
    running = RunningSpan()
    assert running((0.0, 1.0), 0.0) == (0, 1)
    assert running((-2.0, 5.0), 0.1) == (-2, 5)
    low, high = running((0.0, 1.0), 0.2)
    assert -2 < low < -1.5
    assert 4.5 < high < 5
    low, high = running((0.0, 1.0), 60.0)
    assert (low, high) == pytest.approx((0, 1), abs=1e-6)
