"""Globs over folders that may be linked in circles."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underdrawing.core.batch.globs import expand_glob, find_base

NAMES = st.builds(
    "/".join, st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(lambda p: [*p, "x.png"] if p else ["y.png"])
)
PATTERNS = st.lists(st.sampled_from(["**", "*", "a", "[ab]", "?"]), min_size=1, max_size=3)


@given(st.sets(NAMES, min_size=1, max_size=8), PATTERNS, st.sampled_from(["*.png", "x.*", "**"]))
def test_they_find_what_python_finds(names: set[str], parts: list[str], last: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        pattern = "/".join([folder, *parts, last])
        expected = {path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)}  # noqa: PTH113, PTH207
        assert {str(path) for path in expand_glob(pattern).files} == expected


def test_circles_end_and_files_come_once(tmp_path: Path) -> None:
    for name in ("in/a/x.png", "in/b/y.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    try:
        for number in range(3):
            (tmp_path / "in" / "a" / f"up{number}").symlink_to("..")
        (tmp_path / "in" / "0").symlink_to("b")
    except OSError:
        pytest.skip("no links here")
    walk = expand_glob(f"{tmp_path}/in/**/*.png")
    assert [path.relative_to(tmp_path / "in").as_posix() for path in walk.files] == ["a/x.png", "b/y.png"]
    assert walk.passed == {"link to a folder taken already": 4}
    one = expand_glob(f"{tmp_path}/in/*/y.png")
    assert [path.relative_to(tmp_path / "in").as_posix() for path in one.files] == ["b/y.png"]


def test_the_base_is_in_front_of_the_first_wildcard() -> None:
    assert find_base("shots/2024/*/x[0-9].png") == Path("shots/2024")
    assert find_base("*.png") == Path()
