"""An adapter's report in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from ...core.report_text import comma_list, printable, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_LINES = 8


def adapter_lines(report: dict[str, Any]) -> Iterator[str]:
    """What `Adapter.report` says, as a table."""
    yield printable(report["file"])
    modules, parts = report["modules"], report["parts"]
    yield from table_lines(
        [
            ("dialect", printable(report["dialect"])),
            ("base model", _model(report)),
            ("trainer", printable(report["trainer"])),
            ("modules", f"{sum(modules.values())}: {_counts(modules)}" if modules else "none"),
            ("", _counts(parts)),
            ("blocks", _blocks(report["blocks"])),
            ("ranks", _ranks(report["ranks"])),
            ("embeddings", [_embedding(token, shapes) for token, shapes in list(report["embeddings"].items())[:20]]),
            ("precision", _precision(report["precision"])),
            ("keys", f"{report['keys']}, {len(report['unused'])} unused"),
            ("unused", _reasons(report["unused"])),
            ("finite", "yes" if report["finite"] else "NO: it holds NaN or infinite numbers"),
            (
                "metadata",
                f"{len(report['metadata'])} entries: {comma_list(report['metadata'])}" if report["metadata"] else "",
            ),
            ("note", [printable(note, 200) for note in report["notes"][:MOST_LINES]]),
        ]
    )


def _model(report: Mapping[str, Any]) -> str:
    """Id, family, variant, for which of two experts, and what else it could be for."""
    name = " ".join(filter(None, (report["family"], report["variant"])))
    noise = f"for the expert of {report['noise']} noise" if report["noise"] else ""
    others = [*report["could_be"]]
    could = f"or {' or '.join(others)}, whose layers have these names and shapes, too" if others else ""
    more = ", ".join(filter(None, (name, noise)))
    return ", ".join(filter(None, (f"{report['base_model']} ({more})" if more else report["base_model"], could)))


def _precision(counts: Mapping[str, int]) -> str:
    return _counts(counts) if len(counts) > 1 else next(iter(counts), "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {printable(name)}" for name, count in counts.items())


def _blocks(counts: Mapping[str, int]) -> str:
    """Neighbours of one kind with the same number of modules together: "D00-D18 10 each, S00 4"."""
    runs: list[list[str]] = []
    for name, count in counts.items():
        before = runs[-1][-1] if runs else ""
        follows = name[-2:].isdecimal() and before == f"{name[:-2]}{int(name[-2:]) - 1:02}"
        if follows and counts[before] == count:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(
        f"{run[0]}-{run[-1]} {counts[run[0]]} each" if len(run) > 1 else f"{run[0] or 'no block'} {counts[run[0]]}"
        for run in runs
    )


def _ranks(ranks: Mapping[str, int]) -> str:
    if len(ranks) == 1:
        return next(iter(ranks))
    texts = [f"{rank} ({count})" for rank, count in ranks.items()]
    return comma_list(texts)


def _embedding(token: str, shapes: Mapping[str, list[int]]) -> str:
    sizes = ", ".join(f"{part} {' x '.join(map(str, shape))}" for part, shape in shapes.items())
    return f"{printable(token)}: {sizes}"


def _reasons(unused: Mapping[str, str]) -> list[str]:
    """One line per reason with the keys it is for, the commonest first."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, reason in unused.items():
        keys[reason].append(key)
    ordered = Counter({reason: len(group) for reason, group in keys.items()}).most_common()
    lines = [
        f"{count} {printable(reason, 160)}: {comma_list(keys[reason], 2)}" for reason, count in ordered[:MOST_LINES]
    ]
    return [*lines, f"and {len(ordered) - MOST_LINES} more reasons"] if len(ordered) > MOST_LINES else lines
