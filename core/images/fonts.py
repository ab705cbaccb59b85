"""The font of labels: the one that comes with Pillow."""

from __future__ import annotations

from PIL import ImageFont

from ..report_text import escape_controls

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def load_font(height: int) -> Font:
    """The font at this height in pixels."""
    try:
        return ImageFont.load_default(height)
    except TypeError:  # Pillow before 10.1 has one small bitmap font
        return ImageFont.load_default()


def to_printable(text: str, font: Font) -> str:
    """Text with question marks for letters that the font cannot draw."""
    text = escape_controls(text)
    if not isinstance(font, ImageFont.FreeTypeFont):
        text = text.encode("latin-1", "replace").decode("latin-1")
    return text.encode("utf-8", "replace").decode()
