"""``underdrawing doctor``."""

from __future__ import annotations

import json
import sys

import click
import msgspec


@click.command(short_help="Look for what would make things fail.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Look for what would make things fail on this machine, and print the command that fixes it.

    Only reads: nothing is written, downloaded or repaired. Exit code 0 without errors, 1 otherwise; warnings, such
    as optional packages and weights that are not here yet, do not count.
    """
    sys.dont_write_bytecode = True
    from ..core.diagnostics.checks import diagnose
    from ..core.diagnostics.report_text import report_lines
    from ..core.weights.store import Store
    from ..preprocessors import registry

    report = diagnose(registry, Store(remember=False))
    if as_json:
        click.echo(json.dumps({"healthy": report.healthy, **msgspec.to_builtins(report)}, indent=2))
    else:
        click.echo("\n".join(report_lines(report)))
    sys.exit(0 if report.healthy else 1)
