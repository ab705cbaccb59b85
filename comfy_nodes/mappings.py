"""What ComfyUI reads from this pack. One family of nodes that fails to import leaves the others standing."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import settings
from . import host
from .notes import report_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILIES = (
    *("annotators", "operations", "tools", "workflow_weights", "poses"),
    *("aux_compat", "aux_poses", "lora", "embeddings"),
)
"""Modules that have `nodes()`, and some `drop_ins()`: both class name → class with a TITLE."""
WEB_DIRECTORY = str(Path(__file__).absolute().parent / "web")


def collect_nodes(*, drop_ins: bool) -> dict[str, type]:
    """Every node by its class name; without the names of other packs, or of those that are installed themselves."""
    found: dict[str, type] = {}
    for family in FAMILIES:
        try:
            module = import_module(f".{family}", __package__)
            found |= module.nodes()
            if drop_ins and hasattr(module, "drop_ins"):
                found |= {name: node for name, node in _free_names(module.drop_ins()) if name not in found}
        except Exception as error:  # noqa: BLE001 - one bad family must not take the others down
            found |= _broken(family, f"{type(error).__name__}: {error}")
    for node in found.values():
        if not hasattr(node, "DESCRIPTION"):
            node.DESCRIPTION = " ".join((node.__doc__ or "").split())  # type: ignore[attr-defined]
        function: str = node.FUNCTION  # type: ignore[attr-defined]
        if not hasattr(getattr(node, function), "__wrapped__"):
            setattr(node, function, report_notes(getattr(node, function)))
    return found


def _free_names(nodes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names of packs that are not installed; hidden from the search, while workflows that have them open and run."""
    taken = cache(host.has_pack)
    for name, node in nodes.items():
        if not taken(node.alias.pack if hasattr(node, "alias") else host.PEER):
            node.DEPRECATED = True
            yield name, node


def _broken(family: str, reason: str) -> dict[str, type]:
    from .annotators import camel, disabled_node

    host.log.error("underdrawing: the nodes of %s are not available: %s", family, reason)
    return {camel(family): disabled_node(camel(family), family, reason)}


def titles(nodes: dict[str, type]) -> dict[str, str]:
    """Class name → label."""
    return {name: getattr(node, "TITLE", name) for name, node in nodes.items()}


def __getattr__(name: str) -> Any:
    """Build both mappings when the host first asks for one."""
    if name not in ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    host.settle()
    nodes = collect_nodes(drop_ins=settings.DROP_IN.read_or_default(host.log.warning))
    globals().update(NODE_CLASS_MAPPINGS=nodes, NODE_DISPLAY_NAME_MAPPINGS=titles(nodes))
    return globals()[name]
