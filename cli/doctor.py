"""``underdrawing doctor``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.diagnostics.checks import Report


@click.command(short_help="Look for what would make things fail.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Look for what would make things fail on this machine, and print the command that fixes it.

    Only reads: nothing is written, downloaded or repaired. Exit code 0 without errors, 1 otherwise; warnings, such
    as optional packages and weights that are not here yet, do not count.
    """
    sys.dont_write_bytecode = True
    from ..core.diagnostics.checks import diagnose
    from ..core.weights.store import Store
    from ..preprocessors import registry

    report = diagnose(registry, Store(remember=False))
    if as_json:
        click.echo(json.dumps({"healthy": report.healthy, **msgspec.to_builtins(report)}, indent=2))
    else:
        click.echo("\n".join(_text(report)))
    sys.exit(0 if report.healthy else 1)


def _text(report: Report) -> Iterator[str]:
    yield from _facts(report.facts)
    for level, title in (("error", "Errors"), ("warning", "Warnings")):
        findings = [finding for finding in report.findings if finding.level == level]
        if findings:
            yield f"\n{title}:"
        for finding in findings:
            yield f"  {finding.topic}: {finding.what}"
            if finding.fix:
                yield f"      fix: {finding.fix}"
    yield "\nNo errors." if report.healthy else "\nFix what is listed under Errors; nothing was changed."


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name == "free_bytes":
            yield f"{'free':<12}{value / 1e9:.1f} GB"
        elif isinstance(value, dict):
            said = value.items() if name == "packages" else ()
            yield f"{name:<12}{', '.join(f'{key} {one}' for key, one in said) or '; '.join(_named(value))}"
        else:
            yield f"{name:<12}{value}"


def _named(value: Mapping[str, str]) -> Iterator[str]:
    return (f"{key}: {one}" for key, one in value.items())
