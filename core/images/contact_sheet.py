"""Labelled contact sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ..errors import BadImage
from ..files import atomic_write
from .fonts import load_font, to_printable
from .geometry import Size
from .reading import read_pictures
from .resize import resize_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .fonts import Font

CELL, LABEL, GAP, MARGIN = 256, 26, 10, 16
TEXT, STEP = 15, 18
"""Height of labels in pixels, and from one line of a label to the next."""
MOST_ROWS = 24
"""Most inputs on a sheet."""
COLUMNS = 6
INK, SOFT, PAPER = (28, 28, 30), (176, 176, 180), (250, 250, 250)


class Cell(NamedTuple):
    """A picture of a sheet, and the lines of its label."""

    label: tuple[str, ...]
    picture: Image.Image


def write_contact_sheet(rows: Sequence[tuple[Path, Mapping[str, Path]]], names: Sequence[str], to: Path) -> str:
    """Draw each input and its maps, every cell labelled, at most COLUMNS a line, and write the sheet as PNG.

    rows: input → {annotator name: map}. At most MOST_ROWS inputs are drawn; returns a note when some are left out, or
    when there is no map and no sheet is written. Raises WriteFailed.
    """
    there = [(source, {name: maps[name] for name in names if name in maps}) for source, maps in rows if maps]
    if not there:
        return " not written: there is no map to show"
    blocks = [_split_lines(_build_cells(source, maps)) for source, maps in there[:MOST_ROWS]]
    atomic_write(to, _encode(_draw(blocks)))
    return f" (the first {MOST_ROWS} of {len(there)} inputs)" if len(there) > MOST_ROWS else ""


def draw_sheet(pictures: Sequence[tuple[str, NDArray[np.uint8]]], *, group: int = 1) -> NDArray[np.uint8]:
    """Draw pictures [H, W, 3] as one sheet, at most COLUMNS a line, under labels of as many lines as they need.

    group: how many stay in one line.
    """
    font = load_font(TEXT)
    cells = (Cell(_wrap(label, font), _shrink(pixels)) for label, pixels in pictures)
    return np.array(_draw([_split_lines(cells, group)]))


def draw_label(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Picture [H, W, 3] with a line of green text in its upper left corner."""
    drawn = Image.fromarray(np.ascontiguousarray(picture))
    font = load_font(max(TEXT, min(40, picture.shape[0] // 8)))
    ImageDraw.Draw(drawn).text((0, 0), to_printable(text, font), fill=(0, 255, 0), font=font)
    return np.array(drawn)


def _build_cells(source: Path, maps: Mapping[str, Path]) -> Iterator[Cell]:
    yield Cell((source.name,), _read_small(source))
    for name, path in maps.items():
        yield Cell((name,), _read_small(path))


def _split_lines(cells: Iterator[Cell], group: int = 1) -> list[list[Cell]]:
    """Share the cells of one input out over as few lines as possible, about equally long."""
    every = list(cells)
    count = -(-len(every) // COLUMNS)
    length = -(-len(every) // (count * group)) * group
    return [every[start : start + length] for start in range(0, len(every), length)]


def _read_small(path: Path) -> Image.Image:
    """Shrink or enlarge a picture into a cell; a crossed box stands for one that cannot be read any more."""
    try:
        pixels = read_pictures(path)[0].pixels
    except BadImage:
        box = Image.new("RGB", (CELL, CELL), PAPER)
        ImageDraw.Draw(box).line((0, 0, CELL, CELL), fill=SOFT)
        return box
    return _shrink(pixels)


def _shrink(pixels: NDArray[np.uint8]) -> Image.Image:
    height, width = pixels.shape[:2]
    k = CELL / max(height, width)
    size = Size(max(1, round(height * k)), max(1, round(width * k)))
    return Image.fromarray(np.ascontiguousarray(resize_image(pixels, size)))


def _draw(blocks: Sequence[Sequence[Sequence[Cell]]]) -> Image.Image:
    tops = list(_iter_tops(blocks))
    columns = max(len(line) for line, _ in tops)
    below = tops[-1][1] + _find_label_height(tops[-1][0]) + _find_height(tops[-1][0])
    sheet = Image.new("RGB", (2 * MARGIN + columns * (CELL + GAP) - GAP, below + MARGIN), PAPER)
    for line, top in tops:
        for column, cell in enumerate(line):
            _draw_cell(sheet, MARGIN + column * (CELL + GAP), top, cell, _find_label_height(line))
    return sheet


def _iter_tops(blocks: Sequence[Sequence[Sequence[Cell]]]) -> Iterator[tuple[Sequence[Cell], int]]:
    """Lines and where they begin; inputs stand a little further apart than the lines of one input."""
    top = MARGIN
    for lines in blocks:
        for line in lines:
            yield line, top
            top += _find_label_height(line) + _find_height(line) + GAP
        top += GAP


def _find_height(line: Sequence[Cell]) -> int:
    return max(cell.picture.height for cell in line)


def _find_label_height(line: Sequence[Cell]) -> int:
    return LABEL + STEP * (max(len(cell.label) for cell in line) - 1)


def _draw_cell(sheet: Image.Image, left: int, top: int, cell: Cell, label: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = load_font(TEXT)
    for number, text in enumerate(cell.label):
        draw.text((left, top + 3 + number * STEP), _shorten(draw, text, font), fill=INK, font=font)
    under = top + label
    sheet.paste(cell.picture, (left, under))
    draw.rectangle((left - 1, under - 1, left + cell.picture.width, under + cell.picture.height), outline=SOFT)


def _wrap(label: str, font: Font) -> tuple[str, ...]:
    """Lines of whole words that fit into a cell."""
    lines: list[str] = []
    for word in label.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(to_printable(longer, font)) <= CELL:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def _shorten(draw: ImageDraw.ImageDraw, label: str, font: Font) -> str:
    """Cut the middle out of a label that is wider than its cell; letters the font lacks become question marks."""
    label = to_printable(label, font)
    shown, keep = label, len(label)
    while draw.textlength(shown, font=font) > CELL and keep > 2:
        keep -= 1
        shown = f"{label[: keep - keep // 2]}...{label[len(label) - keep // 2 :]}"
    return shown


def _encode(sheet: Image.Image) -> bytes:
    from .writing import encode_png

    return encode_png(np.asarray(sheet), {"contact sheet": True})
