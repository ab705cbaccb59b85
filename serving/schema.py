"""Declarations as JSON: what a program or a page needs to show every annotator and operation with all parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..core.diagnostics.availability import explain_unavailable
from ..core.operation_registry import group_help, group_title, operations
from ..core.params import describe_fields
from ..core.tiling.options import TileOptions
from ..core.weights.store import get_store
from ..preprocessors import registry
from .operate import offered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.operation_registry import OperationType
    from ..core.params import Field, Value
    from ..core.registry import AnnotatorType


class Panel(NamedTuple):
    """A panel of a window: its title, the groups of operations on it, and the operation that stands first."""

    id: str
    title: str
    groups: tuple[str, ...]
    first: str = ""


PANELS = (
    Panel("poses", "Poses", ("pose",), "pose.render"),
    Panel("lora", "LoRA", ("lora",), "lora.inspect"),
    Panel("merge", "Merge", ("checkpoint",), "checkpoint.merge"),
    Panel("prompts", "Embeddings and prompts", ("embedding", "prompt")),
    Panel("weights", "Weights", ("weights",)),
)
"""Where known groups stand; another group has a panel of its own."""


def label_name(name: str) -> str:
    """A parameter's name as a label."""
    return name.strip("_").replace("_", " ")


def describe_field(field: Field, hints: dict[str, Any] | None = None) -> dict[str, Any]:
    """A parameter: kind, default, bounds, choices, label, and what a window can make of it."""
    return {**msgspec.to_builtins(field), "label": label_name(field.name), "hint": hints or {}}


def describe_tiles() -> list[dict[str, Any]]:
    """Options of tiles, which every annotator shares."""
    return [describe_field(field) for field in describe_fields(TileOptions)]


def describe_annotator(annotator: AnnotatorType) -> dict[str, Any]:
    """An annotator with its parameters, and why it cannot run here if it cannot."""
    spec, reason = annotator.spec, explain_unavailable(annotator)
    names = {alias.name: {"host": alias.host, "presets": alias.presets} for alias in spec.aliases}
    return {
        **{"id": spec.id, "title": spec.title, "kind": spec.kind.value},
        "help": inspect.cleandoc(annotator.__doc__ or spec.title),
        **{"licence": spec.licence, "commercial": spec.commercial, "source": spec.source},
        **{"takes_mask": spec.takes_mask, "makes_mask": spec.makes_mask, "values": spec.values},
        **{"available": not reason, "reason": reason, "consumers": list(spec.consumers), "names": names},
        **{"weights": [weight.id for weight in spec.weights], "missing": list_missing(annotator, {})},
        "params": [describe_field(field) for field in annotator.fields()],
    }


def list_missing(annotator: AnnotatorType, values: dict[str, Value]) -> list[str]:
    """Ids of the weights that an annotator needs with these values of its parameters, and that can be fetched."""
    needed = annotator.weights_for(annotator.params(**values))
    return [weight.id for weight in needed if weight.repo and get_store().find(weight) is None]


def describe_annotators() -> list[dict[str, Any]]:
    """All of them, by kind and title, then those that could not be imported."""
    found = sorted(map(describe_annotator, registry), key=lambda one: (one["kind"], one["title"].lower()))
    return [*found, *_describe_broken(registry.broken)]


def describe_operation(operation: OperationType) -> dict[str, Any]:
    """An operation with its inputs, parameters and what it writes."""
    spec, target, hints = operation.spec, operation.target(), operation.hints()
    return {
        **{"id": spec.id, "title": spec.title, "group": spec.group, "command": spec.command},
        "help": inspect.cleandoc(operation.__doc__ or spec.title),
        "inputs": [{**msgspec.to_builtins(slot), "label": label_name(slot.name)} for slot in operation.slots()],
        "output": msgspec.to_builtins(target) if target else None,
        "consent": msgspec.to_builtins(spec.consent) if spec.consent else None,
        "params": [describe_field(field, hints.get(field.name)) for field in operation.fields()],
        "details": {title: [list(row) for row in rows] for title, rows in operation.details().items()},
    }


def describe_operations() -> list[dict[str, Any]]:
    """All that are offered, then those that could not be imported."""
    return [*map(describe_operation, offered().values()), *_describe_broken(operations().broken)]


def describe_panels() -> list[dict[str, Any]]:
    """Panels in order, each with the operations on it."""
    groups = dict.fromkeys(operation.spec.group for operation in offered().values())
    known = {group for panel in PANELS for group in panel.groups}
    own = [Panel(group, group_title(group), (group,)) for group in groups if group not in known]
    return [_describe_panel(panel, offered().values()) for panel in (*PANELS, *own)]


def _describe_panel(panel: Panel, every: Iterable[OperationType]) -> dict[str, Any]:
    own = [operation for operation in every if operation.spec.group in panel.groups]
    kinds = list(dict.fromkeys(slot.kind for operation in own for slot in operation.slots()))
    help_text = " ".join(group_help(group) for group in panel.groups)
    ids = sorted((operation.spec.id for operation in own), key=lambda name: name != panel.first)
    return {"id": panel.id, "title": panel.title, "help": help_text, "operations": ids, "inputs": kinds}


def _describe_broken(broken: dict[str, str]) -> list[dict[str, Any]]:
    return [{"id": name, "title": name, "available": False, "reason": reason} for name, reason in broken.items()]


def list_choices() -> list[str]:
    """Ids of the annotators that need no mask, for hosts with a plain list of them."""
    return [annotator.spec.id for annotator in registry if not annotator.spec.takes_mask]
