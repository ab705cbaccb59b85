"""Nodes made of operations: one mapping from slots, targets and fields to ComfyUI's inputs and outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.operation import Job, run_alone
from ..core.operation_files import find_new_file
from ..core.operation_registry import group_title, operations
from . import host, inputs
from .annotators import camel, disabled_node
from .changes import ALWAYS, WRITTEN, files_state
from .inputs import PREFIX
from .operation_slots import input_name, input_names, list_files, make_inputs, make_sockets, open_value, take_given

if TYPE_CHECKING:
    from ..core.operation import Operation, Report
    from ..core.operation_registry import OperationType
    from ..core.params import Value

IN_MEMORY = {
    "poses": {"poses": "POSE_KEYPOINT"},
    "pictures": {"map": "IMAGE"},
    "model": {"model": "MODEL", "clip": "CLIP", "vae": "VAE", "recipe": "STRING"},
}
"""Kinds of results that are handed to the next node in place of being written: name of an output → its type."""


class OperationNode:
    """Base of the generated nodes."""

    operation: ClassVar[OperationType]
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, inputs.Input]]:
        """Slots and the new file's name, then parameters; those that workflows have not stored yet stand last."""
        operation, added = cls.operation, cls.operation.spec.added
        target, fields = operation.target(), {f.name: inputs.of_field(f, f.default) for f in operation.fields()}
        required = {name: made for slot in operation.slots() for name, made in make_inputs(slot).items()}
        overwrite: dict[str, inputs.Input] = {}
        if target is not None and target.kind not in IN_MEMORY:
            text = f"Name of the new file in the first {host.FOLDERS[target.kind]} folder, sub-folder/name too"
            required["filename"] = inputs.text("", text + ("; empty: as the input" if target.name_optional else ""))
            overwrite = {"overwrite": ("BOOLEAN", {"default": False, "tooltip": "Replace a file of that name"})}
        if consent := operation.spec.consent:
            required[consent.name] = ("BOOLEAN", {"default": False, "tooltip": consent.help})
        first = {name: field for name, field in fields.items() if name not in added}
        last = {name: field for name, field in fields.items() if name in added}
        sockets = {name: made for slot in operation.slots() for name, made in make_sockets(slot).items()}
        return {"required": required, "optional": first | overwrite | last | sockets}

    @classmethod
    def IS_CHANGED(cls, **given: Any) -> float | str:
        """Change with the files that are read and written; run every time where the answer lies outside the graph."""
        if cls.operation.spec.volatile:
            return ALWAYS
        slots = cls.operation.slots()
        return files_state(lambda: [p for s in slots for p in list_files(s, take_given(s, given))], cls.step(given))

    @classmethod
    def step(cls, given: dict[str, Any]) -> str:
        """What tells one use of this node from another: the name of what it writes, or of its input."""
        names = ("filename", *(name for slot in cls.operation.slots() for name in input_names(slot)))
        return " ".join([cls.__name__, *(value for name in names if isinstance(value := given.get(name), str))])

    def run(self, **given: Any) -> Any:
        """Run the operation; raises what it raises."""
        operation = self.operation
        values: dict[str, Value] = {f.name: given[f.name] for f in operation.fields() if f.name in given}
        chosen: dict[str, Any] = {slot.name: open_value(slot, take_given(slot, given)) for slot in operation.slots()}
        job = Job(host.HOOKS, consent=operation.spec.is_agreed(given), overwrite=bool(given.get("overwrite")))
        target = operation.target()
        if target is not None and target.kind in IN_MEMORY:
            chosen[target.name] = Path()
        elif target is not None:
            source = str(given.get(input_name(operation.slots()[0]), ""))
            chosen[target.name] = find_new_file(operation, given.get("filename", ""), values, job, source)
        report = run_alone(operation, chosen, values, job, operation.spec.title)
        WRITTEN.add(self.step(given), report.files)
        return _outputs(operation, report)


def _outputs(operation: type[Operation[Any, Any]], report: Report) -> Any:
    """Outputs of the node, and what its face shows."""
    target = operation.target()
    if target is not None and target.kind == "poses":
        return (list(report.poses or ()),)
    if target is not None and target.kind == "pictures":
        from . import pictures

        return (pictures.batch(report.pictures),)
    text = "\n".join(filter(None, [report.text, *report.notes]))
    data = json.dumps(report.data, indent=2, ensure_ascii=False)
    if report.model is not None:
        made = (*host.build_model(report.model), report.model.recipe)
        return {"ui": {"text": [text], "receipt": [report.data]}, "result": made}
    outputs = (text, data) if target is None else (_host_names(target.kind, report.files), text)
    return {"ui": {"text": [text], "receipt": [report.data]}, "result": outputs}


def _host_names(kind: str, files: tuple[Path, ...]) -> str:
    """New files by the names that the host's lists and prompts have for them."""
    folder = host.paths().get_folder_paths(host.FOLDERS[kind])[0]
    names = [path.relative_to(folder) for path in files]
    if kind == "embedding":
        return " ".join(f"embedding:{name.with_suffix('').as_posix()}" for name in names)
    return ", ".join(map(str, names))


def _node(operation: OperationType) -> type[OperationNode]:
    spec, target = operation.spec, operation.target()
    kind = target.kind if target else ""
    first = {"lora": "lora_name", "checkpoint": "ckpt_name", "embedding": "words"}.get(kind)
    names = (first, "report") if first else ("report", "json")
    types = ("STRING", "STRING")
    if kind in IN_MEMORY:
        names, types = tuple(IN_MEMORY[kind]), tuple(IN_MEMORY[kind].values())
    body: dict[str, Any] = {
        "operation": operation,
        "TITLE": f"{spec.title} ({PREFIX})",
        "CATEGORY": f"{PREFIX}/{group_title(spec.group)}",
        "DESCRIPTION": " ".join((operation.__doc__ or "").split()),
        "RETURN_TYPES": types,
        "RETURN_NAMES": names,
        "OUTPUT_NODE": kind not in IN_MEMORY,
        "SEARCH_ALIASES": [f"{spec.group} {spec.verb}"],
        "__doc__": operation.__doc__,
        "__module__": __name__,
    }
    return type(class_name(operation), (OperationNode,), body)


def class_name(operation: OperationType) -> str:
    """Class name of an operation's node."""
    return operation.spec.names.get("comfyui") or camel(operation.spec.id.replace(".", "_"))


def nodes() -> dict[str, type]:
    """Class name → node; an operation that could not be imported is there too, with the reason."""
    found = {class_name(operation): _node(operation) for operation in operations().of_host("comfyui")}
    for name, reason in operations().broken.items():
        label = camel(name.replace(".", "_"))
        found[label] = disabled_node(label, name, reason)  # type: ignore[assignment]
    return dict(found)
