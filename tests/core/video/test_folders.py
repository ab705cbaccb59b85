from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from underdrawing.core.errors import BadImage
from underdrawing.core.video.folders import FolderClip, order_frames


def order(*names: str) -> list[tuple[int, str, bool]]:
    slots, _ = order_frames([Path("clip") / name for name in names])
    return [(slot.number, slot.name, slot.path is not None) for slot in slots]


@given(st.sets(st.integers(0, 60), min_size=31, max_size=60), st.sampled_from(["", "shot_", "a1b"]), st.booleans())
def test_numbers_decide_and_gaps_have_places(numbers: set[int], start: str, padded: bool) -> None:
    names = [f"{start}{number:0{4 if padded else 1}d}.png" for number in sorted(numbers, key=str)]
    found = order(*names)
    whole = range(min(numbers), max(numbers) + 1)
    if len(whole) <= 2 * len(numbers):
        assert [number for number, _, _ in found] == list(whole)
        assert [number for number, _, there in found if there] == sorted(numbers)


def test_steps_are_no_gaps() -> None:
    assert [n for n, _, _ in order("f010.png", "f020.png", "f040.png")] == [10, 20, 30, 40]
    assert order("f010.png", "f020.png", "f040.png")[2] == (30, "f030", False)


def test_numbers_may_stand_before_an_ending_of_the_name() -> None:
    assert order("0001_in.png", "0003_in.png") == [(1, "0001_in", True), (3, "0003_in", True)]
    assert order("0001_in.png", "0002_in.png", "0004_in.png")[2] == (3, "0003_in", False)


@pytest.mark.parametrize(
    "names", [("b.png", "a10.png", "a2.png"), ("x1.png", "y2.png"), ("9.png", "1609459200000.png", "7.png")]
)
def test_names_that_are_no_count_are_ordered_as_people_count(names: tuple[str, ...]) -> None:
    slots, notes = order_frames([Path(name) for name in names])
    assert [slot.number for slot in slots] == list(range(len(names)))
    assert all("in the order of their names" in note for note in notes)
    assert len(notes) == 1
    assert slots == order_frames([Path(name) for name in reversed(names)])[0]


def test_two_frames_of_one_number_are_refused() -> None:
    with pytest.raises(BadImage, match=r"001\.jpg and 001\.png are both frame 1"):
        order_frames([Path("001.png"), Path("001.jpg"), Path("002.png")])


def test_frames_are_read_with_times_and_faults(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        Image.fromarray(np.full((6, 8, 3), number, np.uint8)).save(tmp_path / f"{number:03d}.png")
    (tmp_path / "002.png").write_bytes(b"no picture")
    clip = FolderClip(tmp_path, sorted(tmp_path.iterdir()), 10)
    assert (clip.read_info().rate, clip.read_info().count) == (10, 4)
    frames = list(clip.read_frames(0))
    assert [(f.number, f.name, f.time, f.pixels is not None) for f in frames] == [
        (1, "001", 0, True),
        (2, "002", Fraction(1, 10), False),
        (3, "003", Fraction(2, 10), False),
        (4, "004", Fraction(3, 10), True),
    ]
    assert frames[2].problem == "is missing"
    assert "picture" in frames[1].problem
