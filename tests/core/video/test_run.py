from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.clips import PlainOutlines, UnsteadyDepth, create
from tests.support.videos import bars, damage_frame, load_av, write_video

from underdrawing.core.batch.manifest import Manifest
from underdrawing.core.errors import Cancelled
from underdrawing.core.hooks import HostHooks
from underdrawing.core.progress import Progress
from underdrawing.core.video.files import VideoClip
from underdrawing.core.video.inputs import expand_clips
from underdrawing.core.video.options import VideoOptions
from underdrawing.core.video.pipeline import MapSettings
from underdrawing.core.video.run import ClipBatch, ClipOptions
from underdrawing.core.video.writing import FrameSink

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from underdrawing.core.batch.run import BatchSummary


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Five frames, numbered from 7."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, pixels in enumerate(bars(5), 7):
        Image.fromarray(pixels).save(folder / f"f{number:03d}.png")
    return folder


def run(
    source: Path, folder: Path, annotator: Any = PlainOutlines, host: HostHooks | None = None, **video: Any
) -> BatchSummary:
    manifest = Manifest(folder)
    manifest.repair()
    clips = expand_clips([str(source)], recursive=False, is_map=manifest.is_map)
    options = ClipOptions({"test": create(annotator)}, MapSettings(0), VideoOptions(**video))
    try:
        return ClipBatch(options, clips, manifest, host or HostHooks()).run()
    finally:
        manifest.close()


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def read_entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]


def test_frames_keep_their_names_and_a_rerun_finds_them(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(shots, out).written == 1
    names = [f"shots.test/f{number:03d}.png" for number in range(7, 12)]
    assert list_files(out) == ["manifest.jsonl", *names]
    (entry,) = read_entries(out)
    assert (entry["frames"], entry["damaged_frames"], entry["files"]) == (5, [], names)
    before = (out / names[0]).stat().st_mtime_ns
    assert (run(shots, out).reused, (out / names[0]).stat().st_mtime_ns) == (1, before)
    assert run(shots, out, temporal_median=1).written == 1


def test_frames_that_are_left_out_later_do_not_stay(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (shots / "f009.png").write_bytes(b"damaged")
    assert run(shots, out).written == 1
    assert "shots.test/f009.png" in list_files(out)
    summary = run(shots, out, damaged="skip")
    assert "shots.test/f009.png" not in list_files(out)
    assert len(list_files(out)) == 5
    assert "its number is left out (frame 9)" in summary.notes[0][1]
    assert read_entries(out)[0]["damaged_frames"] == [9]


def test_a_refused_clip_is_recorded_with_the_frame(shots: Path, tmp_path: Path) -> None:
    (shots / "f009.png").write_bytes(b"damaged")
    summary = run(shots, tmp_path / "out", damaged="stop")
    assert summary.written == 0
    assert "frame 9 (f009)" in summary.refused[0][1]


def test_a_video_becomes_a_video_of_the_same_frames(tmp_path: Path) -> None:
    load_av()
    source = write_video(tmp_path / "clip.mp4", bars(6), sound=True)
    out = tmp_path / "out"
    summary = run(source, out)
    assert list_files(out) == ["clip.test.mkv", "manifest.jsonl"]
    assert summary.notes == [("clip.test.mkv", "1 audio track dropped: maps have pictures only")]
    pairs = zip(VideoClip(source).read_frames(), VideoClip(out / "clip.test.mkv").read_frames(), strict=True)
    assert all(a.time == b.time and np.array_equal(a.pixels, b.pixels) for a, b in pairs)  # type: ignore[arg-type]
    assert VideoClip(out / "clip.test.mkv").read_info().rate == 25
    assert run(source, out, video_output="frames").written == 1
    assert list_files(out)[:2] == ["clip.test.mkv", "clip.test/000000.png"]
    assert run(out / "clip.test.mkv", out).refused == [], "a map is a clip like any other"


def test_a_damaged_frame_of_a_video_is_repeated(tmp_path: Path) -> None:
    load_av()
    frames = [np.random.default_rng(i).integers(0, 255, (48, 64, 3)).astype(np.uint8) for i in range(6)]
    source = damage_frame(write_video(tmp_path / "clip.mov", frames, "png"), 3)
    run(source, tmp_path / "out")
    made = [frame.pixels for frame in VideoClip(tmp_path / "out" / "clip.test.mkv").read_frames()]
    assert [next(i for i, f in enumerate(frames) if np.array_equal(f, one)) for one in made] == [0, 1, 2, 2, 4, 5]  # type: ignore[arg-type]


def test_a_folder_can_become_a_video_of_the_chosen_rate(shots: Path, tmp_path: Path) -> None:
    load_av()
    run(shots, tmp_path / "out", video_output="h264", frame_rate=12.5)
    assert VideoClip(tmp_path / "out" / "shots.test.mp4").read_info().rate == 12.5


class Stop(Progress):
    """Cancels after so many frames."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def show(self, done: int, total: int, message: str) -> None:
        if done >= self.frames:
            raise Cancelled("stopped")


class StopAt(HostHooks):
    """A host whose user stops a run after so many frames."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        assert (total, unit) == (5, "frames")
        yield Stop(self.frames)


@pytest.mark.parametrize("annotator", [PlainOutlines, UnsteadyDepth])
@pytest.mark.parametrize("output", ["frames", "lossless"])
def test_a_stopped_run_is_made_anew_with_the_same_bytes(
    shots: Path, tmp_path: Path, annotator: Any, output: str
) -> None:
    if output == "lossless":
        load_av()
    for frames in (1, 5):
        with pytest.raises(Cancelled):
            run(shots, tmp_path / "out", annotator, StopAt(frames), video_output=output)
        assert not [name for name in list_files(tmp_path / "out") if name.endswith((".part", ".mkv"))]
    assert run(shots, tmp_path / "out", annotator, video_output=output).written == 1
    run(shots, tmp_path / "other", annotator, video_output=output)
    for name in list_files(tmp_path / "out"):
        if name != "manifest.jsonl":
            assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    load_av()
    source = write_video(tmp_path / "a.mkv", bars(3))
    (tmp_path / "a.test.mkv").hardlink_to(source)
    summary = run(source, tmp_path)
    assert "would overwrite an input" in summary.refused[0][1]


def die(*_: object) -> None:
    raise SystemExit  # in place of kill -9: nothing of ours handles it


def run_killed(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, kill: Any, source: Path, out: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, kill)
        patch.setattr(Manifest, "close", die)
        with pytest.raises(SystemExit):
            run(source, out, temporal_median=1)


def test_frames_of_a_killed_run_with_other_settings_never_pass_for_those_of_an_earlier_one(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(shots, out)
    before = {name: (out / name).read_bytes() for name in list_files(out)}

    def kill(sink: FrameSink, frame: Any, control_map: Any) -> None:
        if frame.number == 11:
            raise SystemExit
        write(sink, frame, control_map)

    write = FrameSink.write
    run_killed(monkeypatch, FrameSink, "write", kill, shots, out)
    (shots / "f007.png").rename(tmp_path / "f007.png")  # a frame of the killed run is out of place
    assert run(shots, out, temporal_median=1).written == 1
    assert list_files(out / "shots.test") == ["f008.png", "f009.png", "f010.png", "f011.png"]
    (tmp_path / "f007.png").rename(shots / "f007.png")
    run(shots, out)
    assert {name: (out / name).read_bytes() for name in list_files(out)} == before


def test_earlier_maps_do_not_count_once_a_run_with_other_settings_was_killed(
    shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(shots, out)
    run_killed(monkeypatch, ClipBatch, "_record", die, shots, out)
    assert run(shots, out).written == 1, "all its files are there, with the content of the other settings"


def test_a_clip_that_is_refused_in_its_middle_leaves_no_frames(shots: Path, tmp_path: Path) -> None:
    (shots / "f009.png").write_bytes(b"damaged")
    assert len(run(shots, tmp_path / "out", damaged="stop").refused) == 1
    assert not (tmp_path / "out" / "shots.test").exists()


def test_files_of_others_in_the_place_of_maps_are_left_alone(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "shots.test").mkdir(parents=True)
    own = out / "shots.test" / "f008.png"
    own.write_bytes((shots / "f008.png").read_bytes())
    summary = run(shots, out)
    assert (summary.written, "did not write" in summary.refused[0][1]) == (0, True)
    assert own.read_bytes() == (shots / "f008.png").read_bytes()
    own.unlink()
    assert run(shots, out).written == 1
    (out / "manifest.jsonl").unlink()
    assert run(shots, out).written == 1, "frames that bear our mark are ours without a record"


def test_a_video_of_others_in_the_place_of_maps_is_left_alone(tmp_path: Path) -> None:
    load_av()
    source, out = tmp_path / "clip.mkv", tmp_path / "out"
    write_video(source, bars(5))
    target = out / "clip.test.mkv"
    out.mkdir()
    target.write_bytes(source.read_bytes())
    assert "did not write" in run(source, out).refused[0][1]
    assert target.read_bytes() == source.read_bytes()
    target.unlink()
    assert run(source, out).written == 1
    (out / "manifest.jsonl").unlink()
    assert run(source, out).written == 1, "a video that bears our mark is ours without a record"
