from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.support.videos import bars

from underdrawing.core.video.animations import AnimationClip, is_animation
from underdrawing.core.video.inputs import expand_clips

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, count: int, durations: list[int]) -> Path:
    first, *others = [Image.fromarray(one) for one in bars(count)]
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, None, save_all=True, append_images=others, duration=durations, loop=0, **lossless)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_have_the_times_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", 4, [100, 40, 40, 220])
    clip = AnimationClip(path, 24)
    assert clip.read_info().count == 4
    assert clip.read_info().rate == 10
    frames = list(clip.read_frames())
    assert [frame.time for frame in frames] == [0, Fraction(1, 10), Fraction(14, 100), Fraction(18, 100)]
    for frame, truth in zip(frames, bars(4), strict=True):
        assert frame.pixels is not None
        assert abs(frame.pixels.astype(int) - truth).max() < 60
    (found,) = expand_clips([str(path)], recursive=False, is_map=lambda _: False)
    assert isinstance(found.make_clip(24), AnimationClip)
    assert not found.is_video


def test_pages_without_times_have_the_chosen_rate(tmp_path: Path) -> None:
    first, *others = [Image.fromarray(one) for one in bars(3)]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    clip = AnimationClip(tmp_path / "a.tif", 12.5)
    assert (clip.read_info().rate, len(list(clip.read_frames()))) == (12.5, 3)


def test_a_damaged_frame_ends_it_and_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gif", 5, [100] * 5)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 3 // 4])
    frames = list(AnimationClip(path, 24).read_frames())
    assert frames[0].pixels is not None
    assert frames[-1].pixels is None
    assert frames[-1].problem


def test_single_pictures_are_no_animations(tmp_path: Path) -> None:
    Image.fromarray(bars(1)[0]).save(tmp_path / "a.png")
    (tmp_path / "b.gif").write_bytes(b"no picture")
    assert not is_animation(tmp_path / "a.png")
    assert not is_animation(tmp_path / "b.gif")
