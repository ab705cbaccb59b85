"""What ``underdrawing lora`` prints for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from .shown import listed, printable, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_LINES = 8


def lines(report: dict[str, Any]) -> Iterator[str]:
    """A report of `lora inspect` as a table."""
    yield printable(report["file"])
    modules, parts = report["modules"], report["parts"]
    yield from rows(
        [
            ("dialect", printable(report["dialect"])),
            ("base model", report["base_model"]),
            ("modules", f"{sum(modules.values())}: {_counts(modules)}" if modules else "none"),
            ("", _counts(parts)),
            ("ranks", _ranks(report["ranks"])),
            ("embeddings", [_embedding(token, shapes) for token, shapes in list(report["embeddings"].items())[:20]]),
            ("keys", f"{report['keys']}, {len(report['unused'])} of no use"),
            ("unused", _reasons(report["unused"])),
            ("finite", "yes" if report["finite"] else "NO: it holds NaN or infinite numbers"),
            (
                "metadata",
                f"{len(report['metadata'])} entries: {listed(report['metadata'])}" if report["metadata"] else "",
            ),
            ("note", [printable(note, 200) for note in report["notes"][:MOST_LINES]]),
        ]
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {printable(name)}" for name, count in counts.items())


def _ranks(ranks: Mapping[str, int]) -> str:
    if len(ranks) == 1:
        return next(iter(ranks))
    shown = [f"{rank} ({count})" for rank, count in ranks.items()]
    return listed(shown)


def _embedding(token: str, shapes: Mapping[str, list[int]]) -> str:
    sizes = ", ".join(f"{part} {' x '.join(map(str, shape))}" for part, shape in shapes.items())
    return f"{printable(token)}: {sizes}"


def _reasons(unused: Mapping[str, str]) -> list[str]:
    """One line per reason with the keys it is for, the commonest first."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, reason in unused.items():
        keys[reason].append(key)
    ordered = Counter({reason: len(group) for reason, group in keys.items()}).most_common()
    shown = [f"{count} {printable(reason, 160)}: {listed(keys[reason], 2)}" for reason, count in ordered[:MOST_LINES]]
    return [*shown, f"and {len(ordered) - MOST_LINES} more reasons"] if len(ordered) > MOST_LINES else shown


def text_lines(report: object) -> list[str]:
    """The text of a receipt or a tool's report, line by line."""
    return [printable(line, 300) for line in str(report).split("\n")]
