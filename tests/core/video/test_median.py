from __future__ import annotations

import numpy as np
import pytest
from tests.support.clips import map_items, pan, texture

from underdrawing.core.annotator import ControlMap
from underdrawing.core.video.median import filter_median

BIG = texture(160, 200)
SHIFTS = [(2.0 * i, 1.0 * i) for i in range(7)]
FRAMES = pan(BIG, SHIFTS, 96, 128)


def lines() -> list[np.ndarray]:
    """White lines that move with the frames."""
    drawing = np.zeros((160, 200, 3), np.uint8)
    drawing[40:42], drawing[:, 90:92], drawing[100:102] = 255, 255, 255
    moved = pan(drawing, SHIFTS, 96, 128)
    return [np.where(one > 127, 255, 0).astype(np.uint8) for one in moved]


@pytest.mark.parametrize("reach", [1, 2])
@pytest.mark.parametrize("binary", [True, False])
def test_specks_of_one_frame_go_and_lines_stay(reach: int, binary: bool) -> None:
    clean = lines()
    dirty = [one.copy() for one in clean]
    specks = [np.random.default_rng(i).integers(10, 80, (2, 40)) for i in range(len(dirty))]
    for one, (y, x) in zip(dirty, specks, strict=True):
        one[y, x] = 255
    items = map_items(FRAMES, [ControlMap(one[None], one[None, ..., 0] / np.float32(255)) for one in dirty])
    made = list(filter_median(items, reach, binary=binary))
    assert [item.frame.number for item in made] == list(range(7))
    for item, truth, before in list(zip(made, clean, dirty, strict=True))[1:-1]:
        image = item.control_map.images[0]
        assert np.abs(image.astype(int) - truth).mean() < 0.25 * np.abs(before.astype(int) - truth).mean() + 1
        assert image[truth > 127].mean() > (230 if binary else 150)
        assert not binary or set(np.unique(image)) <= {0, 255}
        assert item.control_map.values is not None
        assert item.control_map.values.dtype == np.float32


def test_another_scene_does_not_shine_through() -> None:
    frames = [texture(96, 128, 1)] * 3 + [255 - texture(96, 128, 2)] * 3
    maps = [np.full((96, 128, 3), level, np.uint8) for level in (0, 0, 0, 255, 255, 255)]
    made = filter_median(map_items(frames, [ControlMap(one[None]) for one in maps]), 1, binary=False)
    levels = [float(item.control_map.images.mean()) for item in made]
    assert max(levels[:3]) < 20
    assert min(levels[3:]) > 235


def test_a_clip_shorter_than_the_window() -> None:
    for count in (0, 1, 2):
        maps = [ControlMap(np.full((1, 96, 128, 3), 9, np.uint8))] * count
        made = list(filter_median(map_items(FRAMES[:count], maps), 3, binary=False))
        assert [int(item.control_map.images.max()) for item in made] == [9] * count
