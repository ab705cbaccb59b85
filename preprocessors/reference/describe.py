"""Annotators described: as data for JSON, and as lines for a terminal."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.diagnostics.availability import explain_unavailable
from ...core.weights.store import get_store
from .. import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.params import Field, Value
    from ...core.registry import AnnotatorType

INDENT = 20
"""Column at which the text of a listed annotator begins."""


def describe(annotator: AnnotatorType) -> dict[str, Any]:
    """Everything about an annotator that needs no run, JSON-serialisable."""
    spec, reason = annotator.spec, explain_unavailable(annotator)
    return {
        "id": spec.id,
        "title": spec.title,
        "kind": spec.kind.value,
        "help": summary(annotator),
        "aliases": list(dict.fromkeys(alias.name for alias in spec.aliases)),
        "names": [msgspec.to_builtins(alias) for alias in spec.aliases],
        "params": [msgspec.to_builtins(field) for field in annotator.fields()],
        "weights": [
            {"id": w.id, **msgspec.to_builtins(get_store().try_complete(w)), "pinned": get_store().describe_pin(w)}
            for w in spec.weights
        ],
        "consumers": list(spec.consumers),
        "licence": spec.licence,
        "commercial": spec.commercial,
        "version": spec.version,
        "available": not reason,
        "reason": reason,
    }


def help_paragraphs(annotator: AnnotatorType) -> Iterator[str]:
    """What an annotator does, its names and licence, and why it cannot run here if it cannot."""
    spec = annotator.spec
    yield inspect.cleandoc(annotator.__doc__ or spec.title)
    others = ", ".join(dict.fromkeys(alias.name for alias in spec.aliases))
    yield f"Also known as: {others or 'nothing else'}. Kind: {spec.kind.value}. Licence: {spec.licence}."
    if reason := explain_unavailable(annotator):
        yield f"Not available here: {reason}."


def summary(annotator: AnnotatorType) -> str:
    """First line of its docstring."""
    return (annotator.__doc__ or "").strip().partition("\n")[0]


def describe_broken() -> list[dict[str, Any]]:
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


def annotator_lines(entry: dict[str, Any], width: int) -> Iterator[str]:
    """Lines of one annotator: id and help, then what it takes and is called, wrapped under the help."""
    params = ", ".join(f"{p['name']}={show_value(p['default'])}" for p in entry["params"])
    details = {
        "": entry["help"] or "could not be imported",
        "parameters: ": params,
        "also: ": ", ".join(entry["aliases"]),
        "read by: ": "; ".join(entry["consumers"]),
        "licence: ": entry["licence"]
        + ("" if entry["commercial"] or not entry["licence"] else ", not for commercial use"),
        "not available: ": entry["reason"],
    }
    texts = [label + text for label, text in details.items() if text]
    for number, text in enumerate(texts):
        first = entry["id"] if number == 0 else ""
        wrapped = textwrap.wrap(
            text,
            width - INDENT,
            subsequent_indent="" if number == 0 else "  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for line in wrapped:
            yield f"{first:<{INDENT - 1}} {line}".rstrip()
            first = ""


def show_value(value: Value) -> str:
    """Value as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def field_row(field: Field) -> str:
    """Row of a table of parameters: name, default, values, meaning."""
    match field.kind:
        case "choice":
            values = ", ".join(field.choices)
        case "int" | "float":
            values = f"{field.low:g} to {field.high:g}" if field.low is not None and field.high is not None else "any"
        case "bool":
            values = "true, false"
        case "text":
            values = "text"
    return f"| `{field.name}` | {show_value(field.default)} | {values} | {field.help} |"
