from __future__ import annotations

from typing import TYPE_CHECKING

from underdrawing.core.video.foreign import find_foreign

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_in_the_place_of_a_frame_is_foreign(tmp_path: Path) -> None:
    for name in ("p0.png", "p2.png"):
        (tmp_path / name).write_bytes(b"ours")
    assert find_foreign(tmp_path, lambda path: path.is_file()) is None
    (tmp_path / "p1.png").mkdir()
    assert find_foreign(tmp_path, lambda path: path.is_file()) == tmp_path / "p1.png"
