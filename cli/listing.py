"""``underdrawing annotators`` and ``underdrawing docs``: what there is, straight from the declarations."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..core.store import store
from ..preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.params import Field, Value
    from ..core.registry import AnnotatorType


INDENT = 20
"""Column at which the text of a listed annotator begins."""


def unavailable(annotator: AnnotatorType) -> str:
    """Why an annotator cannot run here with its default parameters; empty when it can."""
    if missing := annotator.missing():
        return f"needs {', '.join(missing)}"
    absent = [weight for weight in annotator.weights_for(annotator.params()) if store().find(weight) is None]
    if lost := [weight.id for weight in absent if not weight.repo]:
        return f"{', '.join(lost)} of this package gone or changed: install it again"
    return f"weights missing: underdrawing weights fetch {' '.join(weight.id for weight in absent)}" if absent else ""


def describe(annotator: AnnotatorType) -> dict[str, Any]:
    """Everything about an annotator that needs no run, JSON-serialisable."""
    spec, reason = annotator.spec, unavailable(annotator)
    return {
        "id": spec.id,
        "title": spec.title,
        "kind": spec.kind.value,
        "help": summary(annotator),
        "aliases": list(dict.fromkeys(alias.name for alias in spec.aliases)),
        "names": [msgspec.to_builtins(alias) for alias in spec.aliases],
        "params": [msgspec.to_builtins(field) for field in annotator.fields()],
        "weights": [{"id": weight.id, **msgspec.to_builtins(weight)} for weight in spec.weights],
        "consumers": list(spec.consumers),
        "licence": spec.licence,
        "commercial": spec.commercial,
        "version": spec.version,
        "available": not reason,
        "reason": reason,
    }


def summary(annotator: AnnotatorType) -> str:
    """First line of its docstring."""
    return (annotator.__doc__ or "").strip().partition("\n")[0]


def broken() -> list[dict[str, Any]]:
    """Annotators that could not be imported, in the same shape."""
    empty: dict[str, Any] = {
        "title": "",
        "kind": "",
        "help": "",
        "aliases": [],
        "names": [],
        "params": [],
        "weights": [],
    }
    rest: dict[str, Any] = {"consumers": [], "licence": "", "commercial": False, "version": 0, "available": False}
    return [{"id": name, **empty, **rest, "reason": reason} for name, reason in registry.broken.items()]


@click.command(short_help="List annotators.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as a JSON list.")
def annotators(as_json: bool) -> None:
    """List annotators: what they make, the names users know them by, licence, and whether they can run here."""
    entries = [describe(annotator) for annotator in registry] + broken()
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    width = min(shutil.get_terminal_size().columns, 100)
    click.echo("\n".join(line for entry in entries for line in _listed(entry, width)))


def _listed(entry: dict[str, Any], width: int) -> Iterator[str]:
    """Lines of one annotator: id and help, then what it takes and is called, wrapped under the help."""
    params = ", ".join(f"{p['name']}={_shown(p['default'])}" for p in entry["params"])
    details = {
        "": entry["help"] or "could not be imported",
        "parameters: ": params,
        "also: ": ", ".join(entry["aliases"]),
        "licence: ": entry["licence"]
        + ("" if entry["commercial"] or not entry["licence"] else ", not for commercial use"),
        "not available: ": entry["reason"],
    }
    texts = [label + text for label, text in details.items() if text]
    for number, text in enumerate(texts):
        first = entry["id"] if number == 0 else ""
        wrapped = textwrap.wrap(
            text, width - INDENT, subsequent_indent="" if number == 0 else "  ", break_on_hyphens=False
        )
        for line in wrapped:
            yield f"{first:<{INDENT - 1}} {line}".rstrip()
            first = ""


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command(short_help="Write the annotator reference.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def docs(file: Path) -> None:
    """Write the reference of all annotators to FILE, as Markdown made from their declarations."""
    from ..core.files import atomic_write

    pages = [_page(annotator) for annotator in registry]
    head = "# Annotators\n\nWritten by `make docs` from the declarations; do not edit.\n"
    atomic_write(file, "\n".join([head, *pages]).encode())


def _page(annotator: AnnotatorType) -> str:
    spec = annotator.spec
    names = ", ".join(f"`{a.name}` ({a.host}{_presets(a.presets)})" for a in spec.aliases) or "none"
    rows = [_row(field) for field in annotator.fields()]
    table = ["| parameter | default | values | meaning |", "|---|---|---|---|", *rows] if rows else ["No parameters."]
    weights = [
        f"* `{w.id}`, {w.size / 1e6:.1f} MB, {w.licence}{', bundled' if w.bundled else ''}" for w in spec.weights
    ]
    doc = "\n".join(line.strip() for line in (annotator.__doc__ or "").strip().splitlines())
    facts = [
        f"* kind: {spec.kind.value}; licence: {spec.licence}; commercial use: {'yes' if spec.commercial else 'no'}",
        f"* known as: {names}",
        f"* read by: {', '.join(spec.consumers) or 'no ControlNet in particular'}",
        f"* source: {spec.source}",
    ]
    return "\n".join([f"## {spec.id}\n", f"**{spec.title}.** {doc}\n", *facts, *weights, "", *table, ""])


def _presets(presets: dict[str, Any]) -> str:
    return "".join(f", {name}={value}" for name, value in presets.items())


def _row(field: Field) -> str:
    match field.kind:
        case "choice":
            values = ", ".join(field.choices)
        case "int" | "float":
            values = f"{field.low:g} to {field.high:g}" if field.low is not None and field.high is not None else "any"
        case "bool":
            values = "true, false"
        case "text":
            values = "text"
    return f"| `{field.name}` | {_shown(field.default)} | {values} | {field.help} |"
