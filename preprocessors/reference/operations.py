"""The page of operations: their inputs, what they write, parameters, and where they are offered."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ...core.operation_registry import group_help, operations
from .describe import field_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.operation_registry import OperationType
    from ...core.slots import Slot

HOSTS = {"cli": "command line", "comfyui": "ComfyUI", "a1111": "A1111 and Forge"}
REPEATS = {"one": "one", "each": "one or several, one after the other", "all": "several at once"}
KINDS = {
    "lora": "LoRA file",
    "loras": "LoRA files with strengths: --strength, --te-strength, --blocks; in ComfyUI tags in a text",
    "checkpoint": "checkpoint file",
    "checkpoints": "checkpoint files, in order; in ComfyUI one list for each",
    "vae": "VAE file, or a checkpoint; in ComfyUI of its VAE folder",
    "embedding": "embedding file",
    "poses": "OpenPose JSON; in ComfyUI POSE_KEYPOINT",
    "text": "text",
    "weights": "ids of weights files",
    "file": "file",
}


def operations_page() -> str:
    """Every operation, by group."""
    lines = [
        "# Operations\n",
        "Written by `make docs` from the declarations; do not edit. Each is a command, `underdrawing GROUP VERB`, with",
        "`--json` for its report, and a node in ComfyUI unless it says otherwise. Parameters have the same names,",
        "bounds and help everywhere. A file that is there already is replaced on the command line, when the new one is",
        "complete, and in ComfyUI only with `overwrite`; a folder that holds something never.\n",
    ]
    for group in dict.fromkeys(operation.spec.group for operation in operations()):
        lines += [f"## {group}\n", f"{group_help(group)}\n"]
        for operation in operations():
            lines += _page(operation) if operation.spec.group == group else ()
    return "\n".join(lines)


def _page(operation: OperationType) -> Iterator[str]:
    spec, target = operation.spec, operation.target()
    yield f"### {spec.command}\n"
    yield f"**{spec.title}.** {inspect.cleandoc(operation.__doc__ or '')}\n"
    for slot in operation.slots():
        how = REPEATS[slot.repeat] + (", optional" if slot.optional else "")
        yield f"* input `{slot.name}`: {slot.help} ({_kind(slot)}; {how})"
    if target is not None:
        yield f"* writes `{target.name}`: {target.help}"
    if absent := [label for host, label in HOSTS.items() if host not in spec.hosts]:
        yield f"* not offered in {', '.join(absent)}"
    if old_names := operation.params_type.old_names:
        old = ", ".join(f"`{old}` for `{new}`" for old, new in old_names.items())
        yield f"* old names, still taken in this version: {old}"
    yield ""
    rows = [field_row(field) for field in operation.fields()]
    yield from ["| parameter | default | values | meaning |", "|---|---|---|---|", *rows, ""] if rows else ()
    for title, details in operation.details().items():
        yield from [f"{title}:\n", *(f"* `{name}`: {text}" for name, text in details), ""]


def _kind(slot: Slot) -> str:
    if not slot.live:
        return KINDS[slot.kind]
    both = slot.listed or slot.kind == "checkpoints"
    return KINDS[slot.kind] + (
        "; in ComfyUI also a loaded MODEL with CLIP and VAE" if both else "; in ComfyUI a loaded MODEL"
    )
