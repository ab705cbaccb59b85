"""Text from files on a terminal: nothing that moves the cursor, hides or reorders what is printed."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import click

from ..core.errors import UnderdrawingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LABEL = 13
"""Width of the column of labels."""


def printable(text: object, limit: int = 80) -> str:
    """Text with control, format and direction characters written as escapes, cut to about limit characters."""
    shown = str(text)[: limit + 1]
    cut = shown[:limit] + "…" if len(shown) > limit else shown
    return "".join(_escaped(mark) if unicodedata.category(mark) in HIDDEN else mark for mark in cut)


def _escaped(mark: str) -> str:
    return mark.encode("unicode_escape").decode()


def listed(items: Iterable[object], limit: int = 8) -> str:
    """Items with commas, the first ones only, and how many more there are."""
    known = [printable(item) for item in items]
    rest = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + rest


def rows(table: Iterable[tuple[str, str | list[str]]]) -> Iterator[str]:
    """Lines of a table of labels and values; a list is one line each; empty values are left out."""
    for label, value in table:
        for number, line in enumerate(value if isinstance(value, list) else [value] if value else []):
            yield f"  {label if number == 0 else '':<{LABEL}}{line}"


def each(files: Iterable[Path], read: Callable[[Path], None]) -> int:
    """Do something with every file; what goes wrong is told on stderr, one line each. Returns the exit code."""
    failed = 0
    for file in files:
        try:
            read(file)
        except UnderdrawingError as error:
            click.echo(f"underdrawing: {printable(error, 600)}", err=True)
            failed = 1
    return failed
