"""Saved workflows and prompts that hold parameters under earlier names, or choices that are called otherwise today.

A graph keeps widget values by position, so that earlier names matter only in prompts of ComfyUI's API, where ComfyUI
drops inputs that a node does not declare: nodes with earlier names read their own entry of the prompt. Values of combos
are kept as they were; ComfyUI refuses one that is not offered, unless the node checks its inputs itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.aux_inputs import read_graph_inputs

if TYPE_CHECKING:
    from ..core.registry import AnnotatorType

PROMPT, NODE_ID = "prompt", "unique_id"
HIDDEN = {PROMPT: "PROMPT", NODE_ID: "UNIQUE_ID"}


def hidden_inputs(annotator: AnnotatorType) -> dict[str, dict[str, Any]]:
    """What ComfyUI passes to a node whose parameters have earlier names: the prompt, and which entry is its own."""
    return {"hidden": HIDDEN} if annotator.params_type.old_names else {}


def read_inputs(annotator: AnnotatorType, values: dict[str, Any], node: str) -> tuple[dict[str, Any], list[str]]:
    """As `core.aux_inputs.read_graph_inputs`, from this node's entry of the prompt. Raises BadParameter."""
    prompt, node_id = values.pop(PROMPT, None), values.pop(NODE_ID, None)
    stored = ((prompt or {}).get(str(node_id)) or {}).get("inputs", {})
    return read_graph_inputs(annotator.params_type, values, stored, node)
