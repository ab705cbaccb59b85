"""The font of labels."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from underdrawing.core.images.fonts import load_font, to_printable


def test_a_larger_font_is_wider() -> None:
    assert load_font(30).getlength("edges") > load_font(12).getlength("edges")


def test_pillow_before_10_1_has_one_small_font(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_default() -> ImageFont.ImageFont:
        return small

    small = ImageFont.load_default_imagefont()
    monkeypatch.setattr(ImageFont, "load_default", load_default)
    assert load_font(30) is small
    assert to_printable("größe ✓\n\udcff", small) == "größe ?\\n\\udcff"


def test_letters_stay_where_the_font_has_them() -> None:
    assert to_printable("größe ✓\udcff", load_font(12)) == "größe ✓\\udcff"
