"""Histograms and bars as pictures, drawn with Pillow; equal numbers give equal pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image, ImageDraw

from ..images.contact_sheet import INK, PAPER, SOFT
from ..images.fonts import load_font, to_printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 52
BAR = (64, 110, 180)
BINS, LEAST_BINS = 40, 10
"""Most bins of a histogram of many numbers, and of few."""
WIDEST_BAR = 80
MOST_BARS = 20
"""Most bars of a plot; further ones are put together."""
COLUMNS = 2


class Plot(msgspec.Struct, frozen=True):
    """Bars of counts. edges: where bars begin and end, one more than counts; or labels: one for each bar.

    name: of its file. axis: what runs along the bottom. unit: what is counted.
    """

    name: str
    title: str
    axis: str
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    unit: str = "rows"


def plan_histogram(name: str, title: str, axis: str, values: Sequence[float], *, unit: str = "rows") -> Plot:
    """Bin numbers between round ends."""
    numbers = np.asarray(values, np.float64)
    bins = min(BINS, max(LEAST_BINS, round(2 * math.sqrt(numbers.size))))
    edges = _plan_edges(float(numbers.min()), float(numbers.max()), bins) if numbers.size else (0.0, 1.0)
    counts, _ = np.histogram(numbers, np.asarray(edges))
    return Plot(name, title, axis, tuple(map(int, counts)), edges, unit=unit)


def plan_bars(name: str, title: str, axis: str, counts: Sequence[tuple[str, int]], *, unit: str = "rows") -> Plot:
    """One bar for each label; those behind the first are put together where there are too many."""
    shown = list(counts[:MOST_BARS])
    if len(counts) > MOST_BARS:
        rest = counts[MOST_BARS - 1 :]
        shown = [*counts[: MOST_BARS - 1], ("others", sum(count for _, count in rest))]
    return Plot(name, title, axis, tuple(n for _, n in shown), labels=tuple(label for label, _ in shown), unit=unit)


def plan_counts(name: str, title: str, axis: str, rows: Mapping[int, int], *, unit: str = "rows") -> Plot:
    """One bar for each whole number from 0 to the greatest; the last stands for all that do not fit. rows: of each."""
    last = min(max(rows, default=0), MOST_BARS - 1)
    bars = [(str(number), rows.get(number, 0)) for number in range(last)]
    more = sum(count for number, count in rows.items() if number >= last)
    label = f"{last}+" if max(rows, default=0) > last else str(last)
    return plan_bars(name, title, axis, [*bars, (label, more)], unit=unit)


def _plan_edges(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Edges of at most so many equal bins at multiples of 1, 2 or 5 times a power of ten, around all values."""
    if low == high:
        span = abs(low) / 10 or 1.0
        low, high = low - span, high + span
    step = _find_step((high - low) / bins)
    first, last = math.floor(low / step), math.ceil(high / step)
    edges = tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))
    return (min(low, edges[0]), *edges[1:-1], max(high, edges[-1]))


def _find_step(least: float, factors: Sequence[float] = (1, 2, 5, 10)) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in factors if power * factor >= least * (1 - 1e-9))


def draw_plot(plot: Plot) -> NDArray[np.uint8]:
    """Draw bars with a title, both axes and their numbers, uint8 [H, W, 3]."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    top = _find_top(max(plot.counts, default=0))
    _write(draw, (LEFT, 12), plot.title, 17, WIDTH - LEFT - RIGHT)
    _draw_levels(draw, top, plot.unit)
    _draw_bars(draw, plot.counts, top)
    draw.line((LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM), fill=INK)
    _draw_axis(draw, plot)
    return np.array(picture)


def draw_plots(plots: Sequence[Plot]) -> NDArray[np.uint8]:
    """Draw all plots on one sheet, two in a line, uint8 [H, W, 3]."""
    lines = max(1, -(-len(plots) // COLUMNS))
    sheet = Image.new("RGB", (WIDTH * min(COLUMNS, max(1, len(plots))), HEIGHT * lines), PAPER)
    for number, plot in enumerate(plots):
        sheet.paste(Image.fromarray(draw_plot(plot)), (number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT))
    return np.array(sheet)


def _find_top(most: int) -> int:
    """Upper end of the counts: four round steps."""
    return 4 * math.ceil(_find_step(max(1, most) / 4, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)))


def _draw_levels(draw: ImageDraw.ImageDraw, top: int, unit: str) -> None:
    font = load_font(12)
    for quarter in range(5):
        level, y = top * quarter // 4, _find_y(top * quarter / 4, top)
        draw.line((LEFT, y, WIDTH - RIGHT, y), fill=SOFT if quarter else INK)
        text = f"{level:,}".replace(",", " ")
        draw.text((LEFT - 8 - font.getlength(text), y - 8), text, fill=INK, font=font)
    draw.text((LEFT - 8 - font.getlength(unit), 14), unit, fill=INK, font=font)


def _draw_bars(draw: ImageDraw.ImageDraw, counts: Sequence[int], top: int) -> None:
    width = (WIDTH - LEFT - RIGHT) / max(1, len(counts))
    gap = 1 if len(counts) > MOST_BARS else max(4, round(width - WIDEST_BAR))
    for number, count in enumerate(counts):
        if count:
            left, right = _find_x(number, len(counts)) + gap // 2, _find_x(number + 1, len(counts)) - (gap + 1) // 2
            y = min(_find_y(count, top), HEIGHT - BOTTOM - 1)  # one row is seen beside a million
            draw.rectangle((left + 1, y, max(left + 1, right), HEIGHT - BOTTOM - 1), fill=BAR)


def _draw_axis(draw: ImageDraw.ImageDraw, plot: Plot) -> None:
    font, y = load_font(12), HEIGHT - BOTTOM + 5
    if plot.edges:
        places = sorted({0, *(len(plot.counts) * part // 4 for part in (1, 2, 3)), len(plot.counts)})
        for place in places:
            text = f"{plot.edges[place]:.4g}"
            x = _find_x(place, len(plot.counts)) - font.getlength(text) / 2
            draw.text((min(x, WIDTH - 4 - font.getlength(text)), y), text, fill=INK, font=font)
    for number, label in enumerate(plot.labels):
        left, right = _find_x(number, len(plot.counts)), _find_x(number + 1, len(plot.counts))
        text = _shorten(label, right - left - 2)
        draw.text(((left + right - font.getlength(text)) / 2, y), text, fill=INK, font=font)
    width = font.getlength(plot.axis)
    draw.text(((LEFT + WIDTH - RIGHT - width) / 2, HEIGHT - 24), plot.axis, fill=INK, font=font)


def _find_x(number: int, count: int) -> int:
    return LEFT + round((WIDTH - LEFT - RIGHT) * number / max(1, count))


def _find_y(count: float, top: int) -> int:
    return HEIGHT - BOTTOM - round((HEIGHT - BOTTOM - TOP) * count / top)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, height: int, width: int) -> None:
    draw.text(place, _shorten(text, width, height), fill=INK, font=load_font(height))


def _shorten(text: str, width: float, height: int = 12) -> str:
    """As much of a text as fits, with a dot behind what is cut."""
    font = load_font(height)
    shown = to_printable(text, font)
    if font.getlength(shown) <= width:
        return shown
    while shown and font.getlength(f"{shown}.") > width:
        shown = shown[:-1]
    return f"{shown}."
