"""An embedding's report in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.report_text import comma_list, printable, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TOKENS, MAX_NOTES = 20, 8
"""Most tokens and notes that are listed."""


def embedding_lines(report: dict[str, Any]) -> Iterator[str]:
    """What `Embedding.report` says, as a table."""
    yield printable(report["file"])
    checkpoint = report["sd_checkpoint_name"] or report["sd_checkpoint"]
    verdicts = [f"{name}: {verdict}" for name, verdict in report["verdicts"].items() if verdict != "fits"]
    yield from table_lines(
        [
            ("format", report["format"]),
            ("tokens", [_token(token, parts) for token, parts in list(report["tokens"].items())[:MAX_TOKENS]]),
            ("fits", comma_list(report["base_models"]) or "none of the known base models"),
            ("does not fit", verdicts),
            ("name inside", printable(report["name"] or "")),
            ("steps", "" if report["step"] is None else str(report["step"])),
            ("trained on", printable(checkpoint or "")),
            ("finite", "yes" if report["finite"] else "NO: it holds NaN or infinite numbers"),
            ("note", [printable(note, 200) for note in report["notes"][:MAX_NOTES]]),
        ]
    )


def _token(token: str, parts: dict[str, list[int]]) -> str:
    return f"{printable(token)}: " + ", ".join(f"{part} {count} x {width}" for part, (count, width) in parts.items())
