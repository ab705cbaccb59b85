"""Saved workflows and prompts that hold parameters under earlier names, or choices that are called otherwise today.

A graph keeps widget values by position, so that earlier names matter only in prompts of ComfyUI's API, where ComfyUI
drops inputs that a node does not declare: nodes with earlier names read their own entry of the prompt. Values of combos
are kept as they were; ComfyUI refuses one that is not offered, unless the node checks its inputs itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.params import current_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.registry import AnnotatorType

PROMPT, NODE_ID = "prompt", "unique_id"
HIDDEN = {PROMPT: "PROMPT", NODE_ID: "UNIQUE_ID"}


def hidden_inputs(annotator: AnnotatorType) -> dict[str, dict[str, Any]]:
    """What ComfyUI passes to a node whose parameters have earlier names: the prompt, and which entry is its own."""
    return {"hidden": HIDDEN} if annotator.params_type.old_names else {}


def read_inputs(annotator: AnnotatorType, values: dict[str, Any], node: str) -> tuple[dict[str, Any], list[str]]:
    """Inputs of a node under present names, and a note for each earlier name or choice. Raises BadParameter.

    node: its class name, for messages.
    """
    prompt, node_id = values.pop(PROMPT, None), values.pop(NODE_ID, None)
    stored = ((prompt or {}).get(str(node_id)) or {}).get("inputs", {})
    earlier = {name: stored[name] for name in annotator.params_type.old_names if name in stored}
    linked = [name for name, value in earlier.items() if isinstance(value, list)]
    given = values | {name: value for name, value in earlier.items() if name not in linked}
    result, notes = current_values(annotator.params_type, given, where=node)
    names = annotator.params_type.old_names
    return result, notes + [f"{node}: {name} is now called {names[name]}; connect its link anew" for name in linked]


def check_inputs(
    types: Mapping[str, Mapping[str, Any]], annotator: AnnotatorType, values: dict[str, Any]
) -> bool | str:
    """Check inputs as ComfyUI does, but accept earlier choices. types: what INPUT_TYPES returns."""
    declared: dict[str, Any] = {**types.get("required", {}), **types.get("optional", {})}
    for name, value in values.items():
        kind, *options = declared.get(name, ("*",))
        limits: dict[str, Any] = options[0] if options else {}
        if (
            isinstance(kind, list)
            and value not in kind
            and value not in annotator.params_type.old_choices.get(name, {})
        ):
            return f"{name}: {value!r} is not in {kind}"
        if kind in ("INT", "FLOAT") and not limits.get("min", value) <= value <= limits.get("max", value):
            return f"{name}: {value} is not between {limits.get('min')} and {limits.get('max')}"
    return True
