"""The reference pages, as Markdown made from the declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.settings import describe_variables
from ...core.weights.pins import UNPINNED
from .. import registry
from ..weights.transformer_controls import CONTROLS
from .describe import field_row
from .names import names_page
from .operations import operations_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.registry import AnnotatorType
    from ...core.weights.record import Weight

DO_NOT_EDIT = "Written by `make docs` from the declarations; do not edit."


def annotators_page() -> str:
    """Every annotator: what it does, names, consumers, weights, parameters."""
    pages = [_page(annotator) for annotator in registry]
    return "\n".join([f"# Annotators\n\n{DO_NOT_EDIT}\n", *pages, *_list_transformer_controls(), ""])


def _list_transformer_controls() -> list[str]:
    """A table of the ControlNets of transformer models."""
    rows = [
        f"| {control.name} | {control.base} | "
        f"{', '.join(f'{kind} ({chosen})' if chosen else kind for kind, chosen in control.maps.items())} | "
        f"{control.wants} | {control.source} | {control.unconfirmed or 'nothing'} |"
        for control in CONTROLS
    ]
    head = [
        "## ControlNets of transformer models\n",
        "What each reads, and how it wants the maps. Maps and conventions were read in the source named; the last",
        "column has what is commonly said of these models and does not stand there. None of them was run here.\n",
        "| ControlNet | model | maps | convention | read in | not confirmed |",
        "|---|---|---|---|---|---|",
    ]
    return head + rows


def weights_page() -> str:
    """Every record of a weights file."""
    users: dict[str, list[str]] = {}
    records: dict[str, Weight] = {}
    for annotator in registry:
        for weight in annotator.spec.weights:
            records[weight.id] = weight
            users.setdefault(weight.id, []).append(f"`{annotator.spec.id}`")
    head = [
        "# Weights files\n",
        f"{DO_NOT_EDIT} [weights.md](weights.md) tells where files are looked for, what was run on which, and how to",
        "confirm the others. A file without a hash is trusted on first use: the hash that the hub states then is",
        "pinned.\n",
        "| file | for | size | licence | commercial use | sha256 |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_weight_row(records[name], users[name]) for name in sorted(records)), ""])


def _weight_row(weight: Weight, users: list[str]) -> str:
    size = f"{weight.size:,} B" if weight.size else "not known"
    place = "bundled" if weight.bundled else f"from <{weight.url}>" if weight.url else f"at `{weight.revision}`"
    digest = f"`{weight.sha256}`" if weight.sha256 else UNPINNED
    use = "yes" if weight.commercial else "no"
    return f"| `{weight.id}` {place} | {', '.join(users)} | {size} | {weight.licence} | {use} | {digest} |"


def environment_page() -> str:
    """Every environment variable."""
    head = [f"# Environment variables\n\n{DO_NOT_EDIT} `underdrawing doctor` checks their values.\n"]
    rows = [f"| `{name}` | {meaning} |" for name, meaning in describe_variables()]
    return "\n".join([*head, "| variable | values and meaning |", "|---|---|", *rows, ""])


PARTS: dict[str, Callable[[], str]] = {
    "annotators": annotators_page,
    "names": names_page,
    "weights": weights_page,
    "environment": environment_page,
    "operations": operations_page,
}


def _page(annotator: AnnotatorType) -> str:
    spec = annotator.spec
    names = ", ".join(f"`{a.name}` ({a.host}{_presets(a.presets, a.instead)})" for a in spec.aliases) or "none"
    rows = [field_row(field) for field in annotator.fields()]
    table = ["| parameter | default | values | meaning |", "|---|---|---|---|", *rows] if rows else ["No parameters."]
    weights = [
        f"* `{w.id}`, {w.megabytes}, {w.licence}"
        f"{', bundled' if w.bundled else ''}{', ' + UNPINNED if w.unpinned else ''}"
        for w in spec.weights
    ]
    doc = "\n".join(line.strip() for line in (annotator.__doc__ or "").strip().splitlines())
    facts = [
        f"* kind: {spec.kind.value}; licence: {spec.licence}; commercial use: {'yes' if spec.commercial else 'no'}",
        f"* known as: {names}",
        f"* read by: {'; '.join(spec.consumers) or 'no ControlNet in particular'}",
        f"* source: {spec.source}",
    ]
    return "\n".join([f"## {spec.id}\n", f"**{spec.title}.** {doc}\n", *facts, *weights, "", *table, ""])


def _presets(presets: dict[str, Any], instead: str) -> str:
    given = "".join(f", {name}={value}" for name, value in presets.items())
    return f"{given}, stands in for {instead}" if instead else given
