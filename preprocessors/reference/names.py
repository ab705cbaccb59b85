"""Table of the names users know from hosts and packs: what runs under each, and which ControlNets read the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .. import registry
from .describe import show_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...core.params import Value

HOSTS = {
    "": "Everywhere",
    "a1111": "A1111 and Forge",
    "comfyui": "ComfyUI (comfyui_controlnet_aux)",
    "controlnet_aux": "controlnet_aux",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One name of one host (empty: ours). annotator is empty for what is not offered, reason and use for what is."""

    name: str
    host: str
    title: str = ""
    annotator: str = ""
    presets: dict[str, Any] = {}
    instead: str = ""
    consumers: tuple[str, ...] = ()
    reason: str = ""
    use: str = ""


def rows() -> list[Row]:
    """Every name, by host and name; annotators' own ids come first and have no host."""
    found = [*_own_rows(), *_absent()]
    order = list(HOSTS)
    return sorted(found, key=lambda row: (order.index(row.host), row.name.lower(), row.name))


def _own_rows() -> Iterator[Row]:
    for annotator in registry:
        spec = annotator.spec
        yield Row(name=spec.id, host="", title=spec.title, annotator=spec.id, consumers=spec.consumers)
        for alias in spec.aliases:
            yield Row(
                name=alias.name,
                host=alias.host,
                title=alias.title,
                annotator=spec.id,
                presets=alias.presets,
                instead=alias.instead,
                consumers=spec.consumers,
            )


def _absent() -> Iterator[Row]:
    for absent in registry.absent.values():
        yield Row(name=absent.name, host=absent.host, reason=absent.reason, use=absent.use)


def preset_text(presets: Mapping[str, Value]) -> str:
    """Parameters as they are written on the command line."""
    return " ".join(f"{name}={show_value(value)}" for name, value in presets.items())


def names_lines() -> Iterator[str]:
    """Lines for a terminal: each name, then what runs and who reads it."""
    for host, label in HOSTS.items():
        yield f"{label}:"
        for row in rows():
            if row.host == host:
                yield f"  {row.name}"
                yield from (f"      {line}" for line in _row_lines(row))


def _row_lines(row: Row) -> Iterator[str]:
    if not row.annotator:
        yield f"not offered: {row.reason}; use {row.use}"
        return
    presets = preset_text(row.presets)
    if row.host:
        yield f"{row.annotator}{' with ' + presets if presets else ''}"
    if row.instead:
        yield f"stands in for {row.instead}"
    if row.consumers:
        yield f"read by {'; '.join(row.consumers)}"


def names_page() -> str:
    """Page of the table."""
    lines = [
        "# Names\n",
        "Written by `make docs` from the declarations; do not edit. Every name works as NAME in",
        '`underdrawing annotate NAME` and in `underdrawing.annotate("NAME", ...)`; those of ComfyUI are also nodes.',
        "A host's name that is not in its table is an annotator's id and stands in the first one.",
        "[annotators.md](annotators.md) tells what each annotator does.\n",
    ]
    for host, label in HOSTS.items():
        mine = [row for row in rows() if row.host == host]
        lines += [f"## {label}\n", "| name | runs | with | read by |", "|---|---|---|---|"]
        lines += [_name_row(row) for row in mine if row.annotator]
        lines.append("")
        if absent := [f"| `{row.name}` | {row.reason} | {row.use} |" for row in mine if not row.annotator]:
            lines += ["Not offered:\n", "| name | why | use |", "|---|---|---|", *absent, ""]
    return "\n".join(lines)


def _name_row(row: Row) -> str:
    stands = f" (stands in for {row.instead})" if row.instead else ""
    presets = preset_text(row.presets)
    return (
        f"| `{row.name}`{', ' + row.title if row.title else ''} | `{row.annotator}`{stands} "
        f"| {'`' + presets + '`' if presets else ''} | {'; '.join(row.consumers)} |"
    )
