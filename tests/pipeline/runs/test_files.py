from __future__ import annotations

from typing import TYPE_CHECKING

from underdrawing.pipeline.runs.files import find_next_number, write_numbered

if TYPE_CHECKING:
    from pathlib import Path


def test_pictures_are_counted_on_and_nothing_is_replaced(tmp_path: Path) -> None:
    assert find_next_number(tmp_path / "new") == 0
    assert write_numbered(tmp_path / "new", 7, b"a").name == "00000-7.png"
    (tmp_path / "new" / "00041-3-cat.webp").write_bytes(b"")
    (tmp_path / "new" / "notes.txt").write_bytes(b"")
    assert [write_numbered(tmp_path / "new", 7, b"b").name for _ in range(2)] == ["00042-7.png", "00043-7.png"]
