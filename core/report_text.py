"""Text of reports: nothing from a file that moves the cursor, hides or reorders what is shown."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LABEL = 13
"""Width of the column of labels."""


def escape_controls(text: object, keep: str = "") -> str:
    """Whole text with control, format and direction characters written as escapes, but for those to keep."""
    hidden = {mark for mark in set(str(text)) - set(keep) if unicodedata.category(mark) in HIDDEN}
    return "".join(_escape(mark) if mark in hidden else mark for mark in str(text))


def printable(text: object, limit: int = 80) -> str:
    """Text with control, format and direction characters written as escapes, cut to about limit characters."""
    start = str(text)[: limit + 1]
    cut = start[:limit] + "…" if len(start) > limit else start
    return "".join(_escape(mark) if unicodedata.category(mark) in HIDDEN else mark for mark in cut)


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape").decode()


def count(number: int, noun: str) -> str:
    """Number and noun: ``1 map``, ``2 maps``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def comma_list(items: Iterable[object], limit: int = 8) -> str:
    """Items with commas, the first ones only, and how many more there are."""
    texts = [printable(item) for item in items]
    rest = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + rest


def table_lines(table: Iterable[tuple[str, str | list[str]]]) -> Iterator[str]:
    """Lines of a table of labels and values; a list is one line each; empty values are left out."""
    for label, value in table:
        for number, line in enumerate(value if isinstance(value, list) else [value] if value else []):
            yield f"  {label if number == 0 else '':<{LABEL}}{line}"


def text_lines(report: object) -> str:
    """The text of a receipt or of a tool's report, safe to show."""
    return "\n".join(printable(line, 300) for line in str(report).split("\n"))
