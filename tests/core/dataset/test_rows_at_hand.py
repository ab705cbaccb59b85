"""Counting records that other processes write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from underdrawing.core.dataset.manifest import PARTS, ROWS, Manifest
from underdrawing.core.dataset.rows_at_hand import RowsAtHand

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_are_counted_as_they_come_and_forgotten_when_the_file_goes(tmp_path: Path) -> None:
    rows = RowsAtHand(Manifest(tmp_path))
    assert rows.count() == (0, 0)
    path = Manifest(tmp_path).folder / PARTS / "0" / ROWS / "0.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"key":"a"}\n{"key":"b","ref')
    assert rows.count() == (1, 0)
    with path.open("ab") as stream:
        stream.write(b'used":"cut"}\n')
    assert rows.count() == (2, 1)
    assert rows.count() == (2, 1)
    path.unlink()
    assert rows.count() == (0, 0)
