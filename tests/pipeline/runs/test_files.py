from __future__ import annotations

from pathlib import Path

import pytest

from underdrawing.core.errors import WriteFailed
from underdrawing.pipeline.runs.files import check_output, describe_kept, find_next_number, number_picture


def test_pictures_are_counted_on_and_nothing_is_replaced(tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert find_next_number(new) == 0
    assert number_picture(new, 7) == new / "00000-7.png"
    new.mkdir()
    for name in ("00000-7.png", "00041-3-cat.webp", "notes.txt"):
        (new / name).touch()
    assert number_picture(new, 7) == new / "00042-7.png"
    (new / "00042-7.png").touch()
    assert number_picture(new, 7) == new / "00043-7.png"


def test_many_pictures_are_named_by_the_first_and_the_last() -> None:
    paths = [Path(f"{number:05}-1.png") for number in range(9)]
    assert describe_kept([]) == ""
    assert describe_kept(paths[:2]) == "00000-1.png, 00001-1.png"
    assert describe_kept(paths) == "00000-1.png to 00008-1.png"


def test_a_folder_that_is_a_file_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.png"
    file.touch()
    for name in (file, file / "deep"):
        with pytest.raises(WriteFailed, match=r"a\.png: is a file.*name a folder"):
            check_output(name)
    for name in (tmp_path, tmp_path / "new" / "deep"):
        check_output(name)

    def refuse(*_: object) -> bool:
        return False

    monkeypatch.setattr("os.access", refuse)
    with pytest.raises(WriteFailed, match="permissions"):
        check_output(tmp_path / "new")
