"""From the browser's workflow format to the server's, as the browser does it: widget values go by position."""

from __future__ import annotations

from typing import Any

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
SEEDS = ("seed", "noise_seed")


def converted(workflow: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """Prompt of a workflow; info: the server's /object_info."""
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": inputs(node, info[node["type"]], links)}
        for node in workflow["nodes"]
    }


def inputs(node: dict[str, Any], info: dict[str, Any], links: dict[int, Any]) -> dict[str, Any]:
    """Values and links of one node; what the workflow does not hold is left out."""
    declared = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    order = [name for part in ("required", "optional") for name in info["input_order"].get(part, [])]
    values = iter(node.get("widgets_values") or [])
    found: dict[str, Any] = {}
    for name in order:
        kind, options = declared[name][0], (declared[name][1:] or [{}])[0]
        if isinstance(kind, list) or kind in WIDGETS:
            found[name] = next(values, None)
            if name in SEEDS or options.get("control_after_generate"):
                next(values, None)
    for socket in node.get("inputs", []):
        if socket.get("link") in links:
            found[socket["name"]] = links[socket["link"]]
    return {name: value for name, value in found.items() if value is not None}
