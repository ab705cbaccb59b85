from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.support.videos import bars, damage_frame, load_av, write_video

from underdrawing.core.annotator import ControlMap
from underdrawing.core.errors import BadImage, MissingExtra
from underdrawing.core.video import pyav
from underdrawing.core.video.files import VideoClip
from underdrawing.core.video.types import ClipFrame, ClipInfo
from underdrawing.core.video.writing import VideoSink

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> list[np.ndarray | None]:
    return [frame.pixels for frame in VideoClip(path).read_frames()]


def test_frames_come_in_order_with_their_times(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    clip = VideoClip(write_video(tmp_path / "a.mp4", bars(9), rate=rate, crf="4"))
    assert (clip.read_info().rate, clip.read_info().count, clip.read_info().notes) == (rate, 9, ())
    frames = list(clip.read_frames())
    assert [frame.number for frame in frames] == list(range(9))
    assert [float(frame.time) for frame in frames] == pytest.approx([i / rate for i in range(9)])
    for frame, truth in zip(frames, bars(9), strict=True):
        assert frame.pixels is not None
        assert np.abs(frame.pixels.astype(int) - truth).mean() < 6


def test_variable_times_are_kept(tmp_path: Path) -> None:
    times = [Fraction(n * n + n, 1000) * 5 for n in range(6)]
    clip = VideoClip(write_video(tmp_path / "a.mkv", bars(6), "ffv1", times=times))
    assert [frame.time for frame in clip.read_frames()] == times
    assert all(np.array_equal(a, b) for a, b in zip(read(clip.path), bars(6), strict=True) if a is not None)


@pytest.mark.parametrize(("turn", "corner"), [(90, (40, 5)), (-90, (5, 40)), (180, (40, 60))])
def test_turned_videos_are_upright(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    frame = next(VideoClip(write_video(tmp_path / "a.mp4", bars(2), turn=turn, crf="4")).read_frames())
    assert frame.pixels is not None
    assert frame.pixels.shape == ((48, 64, 3) if turn == 180 else (64, 48, 3))
    assert frame.pixels[corner][0] > 150 > frame.pixels[corner][1]


def test_what_is_dropped_is_said(tmp_path: Path) -> None:
    notes = VideoClip(write_video(tmp_path / "a.mp4", bars(3), sound=True)).read_info().notes
    assert notes == ("1 audio track dropped: maps have pictures only",)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "png"])
def test_a_damaged_frame_keeps_its_place(tmp_path: Path, codec: str) -> None:
    frames = [np.random.default_rng(i).integers(0, 255, (48, 64, 3)).astype(np.uint8) for i in range(12)]
    path = write_video(tmp_path / "a.mov", frames, codec, bf="0")
    made = list(VideoClip(damage_frame(path, 5)).read_frames())
    assert [frame.number for frame in made] == list(range(12))
    assert [frame.number for frame in made if frame.pixels is None] == [5]
    assert [frame.time for frame in made] == [Fraction(i, 25) for i in range(12)]
    assert made[5].problem == "cannot be decoded"


def test_a_damaged_frame_among_frames_out_of_order_keeps_its_time(tmp_path: Path) -> None:
    frames = [np.random.default_rng(i).integers(0, 255, (48, 64, 3)).astype(np.uint8) for i in range(12)]
    made = list(VideoClip(damage_frame(write_video(tmp_path / "a.mp4", frames, bf="2"), 5)).read_frames())
    assert [(frame.number, frame.time) for frame in made] == [(i, Fraction(i, 25)) for i in range(12)]
    assert [frame.number for frame in made if frame.pixels is None] == [3, 5], "the decoder lost two frames at once"


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    load_av()
    whole = write_video(tmp_path / "a.mp4", bars(4)).read_bytes()
    cases = {
        "no.mp4": b"#EXTM3U\nother.ts\n",
        "head.mp4": whole[:40],
        "empty.mp4": b"",
        "text.mkv": b"\x1aE\xdf\xa3" + b"x" * 99,
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadImage, match=name) as error:
            list(VideoClip(tmp_path / name).read_frames())
        assert "Next:" in str(error.value)
    with pytest.raises(BadImage, match="check the name"):
        VideoClip(tmp_path / "nowhere.mp4").read_info()


@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
def test_a_cut_file_ends_early_and_says_so(tmp_path: Path, codec: str) -> None:
    path = write_video(tmp_path / "a.mkv", bars(40), codec)
    whole = VideoClip(path)
    assert (len(list(whole.read_frames())), whole.late_notes) == (40, ())
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3])
    clip = VideoClip(path)
    count = len(list(clip.read_frames()))
    assert 0 < count < 40
    assert clip.late_notes == (f"the file promises 1.6 seconds and ends after {count / 25:g}",)


def test_a_version_with_wrong_colours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(__version__="16.1.0")
    monkeypatch.setattr(pyav, "import_module", {"av": old}.__getitem__)
    with pytest.raises(MissingExtra, match=r"PyAV 16\.1\.0 reads the colours .* pip install 'av>=17'"):
        VideoClip(tmp_path / "a.mp4").read_info()


def test_colours_are_those_that_the_file_states(tmp_path: Path) -> None:
    load_av()
    sink = VideoSink(tmp_path / "a.mp4", ClipInfo(Fraction(25), 1, Fraction(1, 25)), "h264")
    with sink.begin():
        sink.write(ClipFrame(0, Fraction(0)), ControlMap(bars(1)[0][None]))
    stated = next(VideoClip(tmp_path / "a.mp4").read_frames()).pixels
    silent = next(VideoClip(write_video(tmp_path / "b.mp4", bars(1), crf="4")).read_frames()).pixels
    for pixels in (stated, silent):
        assert pixels is not None
        assert np.abs(pixels[12, 12].astype(int) - (200, 30, 30)).max() < 6


def test_without_the_extra_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(pyav, "import_module", refuse)
    with pytest.raises(MissingExtra, match="pip install 'av>=17'"):
        VideoClip(tmp_path / "a.mp4").read_info()
