"""What lies in a folder, and what is passed over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import entries, picture

from underdrawing.core.batch.walk import walk_folder

if TYPE_CHECKING:
    from tests.support.command_line import Run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders with links to each other, a link in a circle and one that leads nowhere."""
    for name in ("a.png", "real/x.png", "real/deep/y.png", ".git/z.png", ".hidden.png", "../outside/o.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    try:
        (tmp_path / "in" / "a_link").symlink_to("real")
        (tmp_path / "in" / "real" / "deep" / "up").symlink_to("../..")
        (tmp_path / "in" / "out").symlink_to(tmp_path / "outside")
        (tmp_path / "in" / "gone.png").symlink_to("nowhere.png")
    except OSError:
        pytest.skip("no links here")
    return tmp_path / "in"


def test_linked_folders_are_entered_once(tree: Path) -> None:
    walk = walk_folder(tree, recursive=True)
    found = [path.relative_to(tree).as_posix() for path in walk.files]
    assert found == ["a.png", "out/o.png", "real/deep/y.png", "real/x.png"]
    assert walk.passed == {"hidden": 2, "dangling link": 1, "link to a folder taken already": 2}


def test_without_recursive_folders_are_counted(tree: Path) -> None:
    walk = walk_folder(tree, recursive=False)
    assert [path.name for path in walk.files] == ["a.png"]
    assert walk.passed == {"hidden": 2, "dangling link": 1, "sub folder": 3}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_special_files_are_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert walk_folder(tmp_path, recursive=True).passed == {"special file": 1}


def test_what_is_passed_over_is_said_and_recorded(run: Run, tree: Path, tmp_path: Path) -> None:
    (tree / "a.png").unlink()
    picture(tree / "a.png")
    for name in ("b.exr", "c.psd", "d.EXR", "noext", "clip.mp4"):
        (tree / name).write_bytes(b"x")
    done = run("annotate", "canny", tree, "-o", tmp_path / "maps")
    assert done.code == 0
    assert "3 other format (.exr, .psd)" in done.err
    for text in ("1 no ending", "1 dangling link", "2 hidden", "1 video", "3 sub folder"):
        assert text in done.err
    recorded = [e for e in entries(tmp_path / "maps") if e["status"] == "passed over"]
    assert [e["counts"] for e in recorded] == [
        {"dangling link": 1, "hidden": 2, "no ending": 1, "other format": 3, "video": 1}
    ]
    for name in ("b.exr", "c.psd", "d.EXR", "noext", "clip.mp4", "gone.png", ".hidden.png"):
        (tree / name).unlink()
    (tree / ".git" / "z.png").unlink()
    (tree / ".git").rmdir()
    run("annotate", "canny", tree, "-o", tmp_path / "maps")
    assert [e["status"] for e in entries(tmp_path / "maps")] == ["done"]
