"""``underdrawing annotators`` and ``underdrawing docs``: what there is, straight from the declarations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import msgspec

from ..preprocessors import registry
from ..preprocessors.reference.describe import annotator_lines, describe, describe_broken
from ..preprocessors.reference.names import names_lines, rows
from ..preprocessors.reference.pages import PARTS

WIDTH = 100


@click.command(short_help="List annotators.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as a JSON list.")
@click.option("--names", is_flag=True, help="The names of hosts and packs: what runs, and which ControlNets read it.")
def annotators(as_json: bool, names: bool) -> None:
    """List annotators: what they make, the names users know them by, licence, and whether they can run here."""
    if names:
        table = [msgspec.to_builtins(row) for row in rows()] if as_json else []
        click.echo(json.dumps(table, indent=2) if as_json else "\n".join(names_lines()))
        return
    entries = [describe(annotator) for annotator in registry] + describe_broken()
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    width = min(shutil.get_terminal_size().columns, WIDTH)
    click.echo("\n".join(line for entry in entries for line in annotator_lines(entry, width)))


@click.command(short_help="Write the reference as Markdown.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--part", type=click.Choice(list(PARTS)), default="annotators", show_default=True, help="Which page.")
def docs(file: Path, part: str) -> None:
    """Write a page of the reference to FILE, as Markdown made from the declarations."""
    from ..core.files import atomic_write

    atomic_write(file, PARTS[part]().encode())
