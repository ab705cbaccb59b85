from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.videos import bars, load_av, write_video

from underdrawing.core.batch.annotate_options import AnnotateOptions
from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks, collect_notes
from underdrawing.core.video.files import VideoClip
from underdrawing.preprocessors.batches.annotate_files import FilesRequest, annotate_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Three frames."""
    (tmp_path / "shots").mkdir()
    for number, pixels in enumerate(bars(3)):
        Image.fromarray(pixels).save(tmp_path / "shots" / f"{number}.png")
    return tmp_path / "shots"


def run(source: Path, names: str, *given: str, **options: Any) -> list[str]:
    """Notes of a run into the folder out beside the input."""
    chosen = AnnotateOptions(video=True, resolution=48, **options)
    folder = source.parent / "out"
    request = FilesRequest(
        names.split(","), (str(source),), folder, chosen, lambda _: {}, frozenset({*given, *options})
    )
    with collect_notes() as notes:
        annotate_files(request, HostHooks())
    return notes


def test_frames_of_a_folder_are_the_maps_of_its_pictures(shots: Path) -> None:
    notes = run(shots, "canny,invert")
    for name in ("canny", "invert"):
        assert sorted(path.name for path in (shots.parent / "out" / f"shots.{name}").iterdir()) == [
            "0.png",
            "1.png",
            "2.png",
        ]
    inverted = np.asarray(Image.open(shots.parent / "out" / "shots.invert" / "1.png"))
    assert np.array_equal(inverted, 255 - bars(2)[1])
    assert notes[-1].startswith("maps of 1 clip: 2 made in")


def test_values_are_written_beside_frames(shots: Path) -> None:
    run(shots, "hed", values=True)
    assert (shots.parent / "out" / "shots.hed" / "0.npy").exists()


def test_a_size_is_met(shots: Path) -> None:
    run(shots, "canny", size="40x56")
    assert Image.open(shots.parent / "out" / "shots.canny" / "0.png").size == (40, 56)


def test_poses_of_a_video_are_one_list_of_json(tmp_path: Path) -> None:
    load_av()
    run(write_video(tmp_path / "clip.mp4", bars(2)), "pose_mediapipe", json=True)
    data = json.loads((tmp_path / "out" / "clip.pose_mediapipe.json").read_text("utf-8"))
    assert [one["frame"] for one in data] == [0, 1]
    assert VideoClip(tmp_path / "out" / "clip.pose_mediapipe.mkv").read_info().rate == 25


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "plain"},
        {"sheet": True},
        {"mask": "m.png"},
        {"mask_from": "person_mask"},
        {"values": True, "video_output": "h264"},
    ],
)
def test_options_that_clips_do_not_take_are_refused(shots: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match="Next:"):
        run(shots, "canny", **options)
    assert not (shots.parent / "out").exists()


def test_annotators_that_need_a_mask_are_refused(shots: Path) -> None:
    with pytest.raises(BadParameter, match="inpaint needs a mask for every frame"):
        run(shots, "canny,inpaint")


def test_values_of_a_video_need_frames(tmp_path: Path) -> None:
    load_av()
    source = write_video(tmp_path / "clip.mp4", bars(2))
    with pytest.raises(BadParameter, match="--video-output frames"):
        run(source, "hed", values=True)


def test_options_without_effect_are_named(shots: Path) -> None:
    notes = run(shots, "canny", smoothing=1.0, depth_range="running", mode="fill", all_frames=True, json=True)
    for option in ("smoothing", "depth-range", "mode", "all-frames", "json"):
        assert any(note.startswith(f"note: --{option} ") for note in notes)
    assert not any("temporal-median" in note for note in run(shots, "canny", temporal_median=1))


def test_without_video_these_options_have_no_effect(shots: Path) -> None:
    options = AnnotateOptions(temporal_median=1)
    request = FilesRequest(
        ["canny"], (str(shots),), shots.parent / "out", options, lambda _: {}, frozenset({"temporal_median"})
    )
    with collect_notes() as notes:
        annotate_files(request, HostHooks())
    assert "note: --temporal-median has no effect without --video" in notes
