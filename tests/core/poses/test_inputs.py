from __future__ import annotations

from pathlib import Path

import pytest

from underdrawing.core.errors import BadImage
from underdrawing.core.poses.files import read_poses
from underdrawing.core.poses.inputs import expand_pose_files


def test_files_stay_as_they_are_named_and_folders_are_sorted(tmp_path: Path) -> None:
    for name in ("b.json", "a.JSON", "c.png", ".d.json"):
        (tmp_path / name).write_text("{}")
    missing = tmp_path / "missing.json"
    assert expand_pose_files([missing]) == ([missing], False)
    assert expand_pose_files([tmp_path]) == ([tmp_path / "a.JSON", tmp_path / "b.json"], True)
    both = expand_pose_files([tmp_path / "b.json", tmp_path])
    assert both == ([tmp_path / "b.json", tmp_path / "a.JSON"], True)
    assert expand_pose_files([tmp_path / "*.png"]) == ([tmp_path / "c.png"], True)


def test_a_name_with_brackets_is_a_file_first(tmp_path: Path) -> None:
    odd = tmp_path / "pose[1].json"
    odd.write_text("{}")
    assert expand_pose_files([odd]) == ([odd], False)


def test_nothing_is_an_error_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "*.json"):
        with pytest.raises(BadImage, match=r"no JSON|no file matches"):
            expand_pose_files([path])


def test_a_glob_enters_linked_folders_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("{}")
    try:
        (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    except OSError:
        pytest.skip("no links here")
    assert expand_pose_files([tmp_path / "in" / "**" / "*.json"]) == ([tmp_path / "in" / "a.json"], True)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    with pytest.raises(BadImage, match="empty"):
        read_poses(tmp_path / "a.json")
