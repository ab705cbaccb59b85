"""What doctor found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .checks import Report


def report_lines(report: Report) -> Iterator[str]:
    """Facts, warnings and errors, each with its fix; what is broken stands last, where it is seen."""
    yield from _facts(report.facts)
    for level, title in (("warning", "Warnings"), ("error", "Errors")):
        findings = [finding for finding in report.findings if finding.level == level]
        if findings:
            yield f"\n{title}:"
        for finding in findings:
            yield f"  {finding.topic}: {finding.what}"
            if finding.fix:
                yield f"      fix: {finding.fix}"
    yield ""
    yield "No errors." if report.healthy else f"{_count(report)}: fix what is listed under Errors; nothing was changed."


def _count(report: Report) -> str:
    number = sum(finding.level == "error" for finding in report.findings)
    return "1 error" if number == 1 else f"{number} errors"


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name == "free_bytes":
            yield f"{'free':<12}{value / 1e9:.1f} GB"
        elif isinstance(value, dict):
            packages = ", ".join(f"{key} {one}" for key, one in value.items()) if name == "packages" else ""
            yield f"{name:<12}{packages or '; '.join(f'{key}: {one}' for key, one in value.items())}"
        else:
            yield f"{name:<12}{value}"
