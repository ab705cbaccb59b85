"""Contact sheets: every cell is there, labelled and in line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFont

from underdrawing.core.images import contact_sheet
from underdrawing.core.images.writing import read_info

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RED = (200, 10, 10)


def flat(path: Path, width: int, height: int, colour: tuple[int, int, int] = RED) -> Path:
    Image.new("RGB", (width, height), colour).save(path)
    return path


def drawn(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_cells_stand_in_a_grid_below_their_labels(tmp_path: Path) -> None:
    source = flat(tmp_path / "a.png", 200, 100)
    maps = {
        name: flat(tmp_path / f"{name}.png", 50, 25, (0, 20 * number, 200)) for number, name in enumerate("bcdefgh")
    }
    assert contact_sheet.write_contact_sheet([(source, maps)], list("bcdefgh"), tmp_path / "sheet.png") == ""
    pixels = drawn(tmp_path / "sheet.png")
    wide = 2 * contact_sheet.MARGIN + 4 * (contact_sheet.CELL + contact_sheet.GAP) - contact_sheet.GAP
    assert pixels.shape == (
        2 * contact_sheet.MARGIN + 2 * (contact_sheet.LABEL + contact_sheet.CELL // 2) + contact_sheet.GAP,
        wide,
        3,
    )
    expected = [RED, *((0, 20 * number, 200) for number in range(7))]
    for number, colour in enumerate(expected):
        left = contact_sheet.MARGIN + number % 4 * (contact_sheet.CELL + contact_sheet.GAP)
        top = contact_sheet.MARGIN + number // 4 * (contact_sheet.LABEL + contact_sheet.CELL // 2 + contact_sheet.GAP)
        cell = pixels[
            top + contact_sheet.LABEL : top + contact_sheet.LABEL + contact_sheet.CELL // 2,
            left : left + contact_sheet.CELL,
        ]
        assert (cell == colour).all()
        label = pixels[top : top + contact_sheet.LABEL - 1, left : left + contact_sheet.CELL]
        assert label.min() < 90, "a label is dark enough to be read"


def test_it_is_known_as_ours_and_the_same_twice(tmp_path: Path) -> None:
    source = flat(tmp_path / "a.png", 9, 200)
    for name in ("one.png", "two.png"):
        contact_sheet.write_contact_sheet([(source, {"m": source})], ["m"], tmp_path / name)
    assert read_info(tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_nothing_too_much_and_lost_files_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = flat(tmp_path / "a.png", 20, 20)
    assert "no map" in contact_sheet.write_contact_sheet([(source, {})], ["m"], tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
    monkeypatch.setattr(contact_sheet, "MOST_ROWS", 2)
    rows = [(source, {"m": tmp_path / "lost.png"})] * 3
    assert contact_sheet.write_contact_sheet(rows, ["m"], tmp_path / "sheet.png") == " (the first 2 of 3 inputs)"
    assert (tmp_path / "sheet.png").is_file()


def test_labels_of_any_kind_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = flat(tmp_path / f"{'Ünï 日本 ' * 12}.png", 20, 20)
    rows = [(source, {"lone \udce9": source})]
    contact_sheet.write_contact_sheet(rows, ["lone \udce9"], tmp_path / "sheet.png")
    gap = drawn(tmp_path / "sheet.png")[
        :,
        contact_sheet.MARGIN + contact_sheet.CELL + 2 : contact_sheet.MARGIN
        + contact_sheet.CELL
        + contact_sheet.GAP
        - 2,
    ]
    assert (gap == contact_sheet.PAPER).all(), "a label runs into the next cell"
    old = (
        ImageFont.load_default_imagefont() if hasattr(ImageFont, "load_default_imagefont") else ImageFont.load_default()
    )

    def bitmap(*_: object) -> object:
        return old

    monkeypatch.setattr(contact_sheet, "load_font", bitmap)
    assert contact_sheet.write_contact_sheet(rows, ["lone \udce9"], tmp_path / "old.png") == ""


def test_groups_of_pictures_stay_in_one_line() -> None:
    pictures = [(str(number), np.full((8, 8, 3), 9 * number, np.uint8)) for number in range(9)]
    whole, split = (contact_sheet.draw_sheet(pictures, group=group).shape[1] for group in (3, 1))
    cell = contact_sheet.CELL + contact_sheet.GAP
    assert (whole - split) == cell
    assert whole == 2 * contact_sheet.MARGIN + 6 * cell - contact_sheet.GAP


def test_long_labels_of_a_sheet_get_as_many_lines_as_they_need() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    words = "a pink tree in the middle, a green tree on the right, snow, at sunset, hills"
    heights = [contact_sheet.draw_sheet([(label, picture)]).shape[0] for label in ("tree", words)]
    extra, rest = divmod(heights[1] - heights[0], contact_sheet.STEP)
    assert (extra >= 1, rest) == (True, 0)
    lines = contact_sheet._wrap(words, contact_sheet.load_font(contact_sheet.TEXT))
    assert " ".join(lines) == words
    assert len(lines) == extra + 1
    assert contact_sheet._wrap("x" * 500, contact_sheet.load_font(contact_sheet.TEXT)) == ("x" * 500,)
