from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import BadImage, BadParameter
from underdrawing.core.video.inputs import ClipInput, expand_clips, plan_clip_names


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def find(*inputs: Path | str, recursive: bool = False) -> list[tuple[str, int]]:
    clips = expand_clips([str(one) for one in inputs], recursive=recursive, is_map=lambda path: "map" in path.name)
    return [(clip.path.name, len(clip.frames)) for clip in clips]


def test_folders_of_frames_and_videos(tmp_path: Path) -> None:
    touch(*(tmp_path / "shots" / f"{i}.png" for i in range(3)), tmp_path / "shots" / "1.map.png", tmp_path / "a.mp4")
    touch(tmp_path / "videos" / "b.mkv", tmp_path / "videos" / "c.mov", tmp_path / "videos" / "notes.txt")
    assert find(tmp_path / "shots", tmp_path / "a.mp4", tmp_path / "videos") == [
        ("shots", 3),
        ("a.mp4", 0),
        ("b.mkv", 0),
        ("c.mov", 0),
    ]
    assert find(tmp_path) == [("a.mp4", 0)]
    assert find(tmp_path, recursive=True) == [("a.mp4", 0), ("shots", 3), ("b.mkv", 0), ("c.mov", 0)]
    assert find(tmp_path / "shots" / "[01].png", tmp_path / "videos" / "*.mkv") == [("shots", 2), ("b.mkv", 0)]
    assert find(tmp_path / "a.mp4", tmp_path / "a.mp4") == [("a.mp4", 0)]


def test_frames_that_a_shell_expanded_are_one_clip(tmp_path: Path) -> None:
    touch(*(frames := [tmp_path / f"{i}.png" for i in range(4)]))
    assert find(*frames) == [(tmp_path.name, 4)]


def test_videos_beside_frames_are_counted(tmp_path: Path) -> None:
    touch(tmp_path / "1.png", tmp_path / "a.mp4", tmp_path / "b.mp4")
    (clip,) = expand_clips([str(tmp_path)], recursive=False, is_map=lambda _: False)
    assert clip.note == "2 videos beside the frames were passed over: name them to take them"


@pytest.mark.parametrize("text", ["nowhere.mp4", "none*.png", "https://example.org/a.mp4", "empty"])
def test_what_matches_nothing_is_refused_when_it_is_opened(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (clip,) = expand_clips([text], recursive=False, is_map=lambda _: False)
    with pytest.raises(BadImage, match="Next:"):
        clip.make_clip(24)


def test_what_is_passed_over_in_a_folder_is_counted(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("1.png", "2.png", "2.map.png", "notes.txt", ".hidden", "sub/3.png")))
    (clip,) = expand_clips([str(tmp_path)], recursive=False, is_map=lambda path: "map" in path.name)
    counts = "1 hidden, 1 map of this project, 1 other format, 1 sub folder"
    assert (len(clip.frames), clip.note) == (2, f"passed over in {tmp_path}: {counts}")


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(BadParameter, match="empty"):
        expand_clips([""], recursive=False, is_map=lambda _: False)


def test_maps_of_ours_are_frames_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    from underdrawing.core.images.writing import encode_png

    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8), {}))
    assert find(tmp_path) == [(tmp_path.name, 2)]
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "7.png")
    assert find(tmp_path) == [(tmp_path.name, 1)]


def test_names_of_clips_differ() -> None:
    clips = [
        ClipInput(Path(text), (Path(f"{text}/1.png"),) if "." not in text[2:] else ())
        for text in ("/a/x", "/b/x", "/a/y.mp4", "/a/y.mov", "/c/z.mkv", "/a-x")
    ]
    names = plan_clip_names(clips)
    assert names[2:5] == ["y.mp4", "y.mov", "z"]
    assert len(set(names)) == len(names)
