from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.clips import person_at
from tests.support.videos import bars, load_av

from underdrawing.core.annotator import ControlMap
from underdrawing.core.poses.files import read_poses
from underdrawing.core.poses.model import Pose
from underdrawing.core.video.files import VideoClip
from underdrawing.core.video.types import ClipFrame, ClipInfo
from underdrawing.core.video.writing import FrameSink, VideoSink

if TYPE_CHECKING:
    from pathlib import Path

TIMES = [Fraction(n * n + 3 * n, 100) for n in range(8)]
INFO = ClipInfo(Fraction(30000, 1001), 8, Fraction(1, 30000))


def write(path: Path, output: Any, maps: list[np.ndarray], **more: Any) -> VideoSink:
    sink = VideoSink(path, INFO, output, **more)
    with sink.begin():
        for number, (image, time) in enumerate(zip(maps, TIMES, strict=True)):
            pose = Pose((person_at(20 + number, 20),), 64, 48)
            sink.write(ClipFrame(number, time), ControlMap(image[None], poses=(pose,)))
    return sink


def test_lossless_video_has_the_bytes_and_times_of_the_maps(tmp_path: Path) -> None:
    load_av()
    sink = write(tmp_path / "a.mkv", "lossless", bars(8, 47, 63))
    assert (sink.files, sink.notes) == (["a.mkv"], ())
    frames = list(VideoClip(tmp_path / "a.mkv").read_frames())
    assert [round(frame.time, 3) for frame in frames] == TIMES
    assert all(np.array_equal(f.pixels, truth) for f, truth in zip(frames, bars(8, 47, 63), strict=True))  # type: ignore[arg-type]


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    load_av()
    for output, suffix in (("lossless", ".mkv"), ("h264", ".mp4")):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        write(first, output, bars(8))
        write(second, output, bars(8))
        assert first.read_bytes() == second.read_bytes()


def test_h264_keeps_times_and_colours_nearly(tmp_path: Path) -> None:
    load_av()
    write(tmp_path / "a.mp4", "h264", bars(8))
    frames = list(VideoClip(tmp_path / "a.mp4").read_frames())
    assert [float(frame.time) for frame in frames] == pytest.approx(list(map(float, TIMES)), abs=1e-4)
    assert frames[7].pixels is not None
    assert np.abs(frames[7].pixels[2:10, 4:28].astype(int) - (200, 30, 30)).max() < 8
    notes = write(tmp_path / "odd.mp4", "h264", bars(8, 47, 63)).notes
    assert notes == ("63x47 has an odd side: written as 4:4:4, which not every player shows",)


def test_poses_of_a_video_are_one_list(tmp_path: Path) -> None:
    load_av()
    sink = write(tmp_path / "a.mkv", "lossless", bars(8), json=True)
    assert sink.files == ["a.mkv", "a.json"]
    assert [one["frame"] for one in json.loads((tmp_path / "a.json").read_text("utf-8"))] == list(range(8))
    assert len(read_poses(tmp_path / "a.json").poses) == 8


def test_nothing_is_left_of_a_video_that_was_stopped(tmp_path: Path) -> None:
    load_av()
    sink = VideoSink(tmp_path / "a.mkv", INFO, "lossless", json=True)
    pose = Pose((person_at(20, 20),), 64, 48)

    def write_and_stop() -> None:
        with sink.begin():
            sink.write(ClipFrame(0, Fraction(0)), ControlMap(bars(1)[0][None], poses=(pose,)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert list(tmp_path.iterdir()) == []


def test_frames_bear_their_names_or_numbers(tmp_path: Path) -> None:
    sink = FrameSink(tmp_path / "clip.canny", timed=True)
    with sink.begin():
        for number, name in ((0, ""), (7, "shot_7")):
            sink.write(ClipFrame(number, Fraction(number, 8), name), ControlMap(bars(1)[0][None]))
    assert sink.files == ["clip.canny/000000.png", "clip.canny/shot_7.png", "clip.canny/timestamps.txt"]
    assert (tmp_path / "clip.canny" / "timestamps.txt").read_text() == "# timestamp format v2\n0.000\n875.000\n"
