"""Operations from JSON: names become files of the host's folders, results become JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BadParameter, Cancelled, UnderdrawingError
from ..core.operation import Job, WeightedLora, run
from ..core.operation_files import find_new_file
from ..core.operation_registry import operations
from . import files, pictures
from .bodies import LoraBody, read_body
from .errors import RequestRefused, describe_error
from .hooks import JobHooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.hooks import HostHooks
    from ..core.operation import Report
    from ..core.operation_registry import OperationType
    from ..core.slots import Slot
    from .bodies import OperateBody
    from .jobs import JobRecord

IN_MEMORY = ("poses", "pictures")
"""Kinds of results that are handed back in place of being written."""


def offered(host: str = "a1111") -> dict[str, OperationType]:
    """Operations of hosts with a web server: those for it whose inputs requests can name."""
    found = (o for o in operations().of_host(host))  # type: ignore[arg-type]
    return {o.spec.id: o for o in found if all(slot.kind != "file" for slot in o.slots())}


def find_operation(name: str) -> OperationType:
    """An operation that is offered. Raises UnknownName, RequestRefused."""
    if name in (found := offered()):
        return found[name]
    operations()[name]
    raise RequestRefused(f"{name} is not offered over HTTP", status=404, fix="use the command line")


def prepare_operate(operation: OperationType, body: OperateBody, host: HostHooks) -> Callable[[JobRecord], None]:
    """The work that a body asks for; everything that can be refused at once is. Raises UnderdrawingError."""
    known = {slot.name: slot for slot in operation.slots()}
    if lost := sorted(set(body.inputs) - set(known)):
        fix = f"its inputs are {', '.join(known) or 'none'}"
        raise BadParameter(f"there is no input {', '.join(lost)}", where=operation.spec.id, fix=fix)
    operation.params(**body.params)
    inputs = {name: read_slot(slot, body.inputs.get(name), host) for name, slot in known.items()}
    each = next(
        (slot for slot in operation.slots() if slot.repeat == "each" and isinstance(inputs[slot.name], list)), None
    )
    runs = [{**inputs, each.name: one} for one in inputs[each.name]] if each else [inputs]
    sources = [_name_source(host, operation, one) for one in runs]

    def work(job: JobRecord) -> None:
        hooks = JobHooks(host, job)
        agreed = operation.spec.consent is None or body.consent
        circumstances = Job(hooks, consent=agreed, overwrite=body.overwrite)
        for one, source in zip(runs, sources, strict=True):
            job.check()
            try:
                job.publish(*_run(operation, one, source, body, circumstances))
            except UnderdrawingError as error:
                if len(runs) == 1 or isinstance(error, Cancelled):
                    raise
                job.publish({"input": source, **describe_error(error)})

    return work


def _run(
    operation: OperationType, inputs: dict[str, Any], source: str, body: OperateBody, job: Job
) -> tuple[dict[str, Any], int]:
    target, given = operation.target(), dict(inputs)
    if target is not None and target.kind in IN_MEMORY:
        given[target.name] = Path()
    elif target is not None:
        given[target.name] = find_new_file(operation, body.output, body.params, job, source)
    report = run(operation, given, dict(body.params), job)
    if target is not None and report.files:
        job.host.list_again(target.kind)
    return describe_report(report, source, job.host, target.kind if target else "model")


def describe_report(report: Report, source: str, host: HostHooks, kind: Any) -> tuple[dict[str, Any], int]:
    """A report as JSON, and the characters that its pictures take."""
    images = [pictures.write_picture(one.pixels, one.info) for one in report.pictures]
    described = {
        **{"input": source, "text": report.text, "data": report.data, "notes": list(report.notes)},
        **{"errors": [describe_error(error) for error in report.errors], "complete": report.complete},
        "files": [files.name_file(host, kind, path) for path in report.files],
        "poses": None if report.poses is None else list(report.poses) if report.batch else report.poses[0],
        "images": images,
    }
    return described, sum(map(len, images))


def _name_source(host: HostHooks, operation: OperationType, inputs: dict[str, Any]) -> str:
    """Name of the first input that is a file; empty if none is."""
    for slot in operation.slots():
        value = inputs[slot.name]
        if isinstance(value, Path):
            return files.name_file(host, slot.kind, value)  # type: ignore[arg-type]
    return ""


def read_slot(slot: Slot, given: Any, host: HostHooks) -> Any:
    """What an operation takes in place of what a request holds. Raises BadParameter, UnknownName, BadImage."""
    if given is not None and given not in ("", []):
        return _read_given(slot, given, host)
    if slot.kind == "text":
        return ""
    if slot.optional:
        return ()
    raise BadParameter("is needed", where=slot.name, fix=slot.help)


def _read_given(slot: Slot, given: Any, host: HostHooks) -> Any:
    match slot.kind:
        case "lora" | "checkpoint" | "vae" | "embedding":
            if isinstance(given, list) and slot.repeat == "each":
                return [files.find_file(host, slot.kind, name) for name in _check_texts(slot, given)]
            return files.find_file(host, slot.kind, _check_text(slot, given))
        case "checkpoints":
            return tuple(files.find_file(host, "checkpoint", name) for name in _check_texts(slot, given))
        case "loras":
            return _read_loras(slot, given, host)
        case "weights":
            return tuple(_check_texts(slot, given))
        case "poses":
            from ..core.poses.reading import parse_poses

            return parse_poses(given)
        case "text":
            return _check_text(slot, given)
        case "file":
            raise BadParameter("is a path, which requests may not name", where=slot.name, fix="use the command line")


def _read_loras(slot: Slot, given: Any, host: HostHooks) -> tuple[WeightedLora, ...]:
    """LoRAs as tags of a prompt, or as a list of names with strengths."""
    if isinstance(given, str):
        from ..adapters.prompts.lora_requests import weighted_loras

        return weighted_loras(given, host.folders("lora"))
    entries = [read_body({"name": one} if isinstance(one, str) else one, LoraBody) for one in _check_list(slot, given)]
    return tuple(
        WeightedLora(
            files.find_file(host, "lora", one.name),
            one.unet,
            one.unet if one.text_encoder is None else one.text_encoder,
            one.blocks,
        )
        for one in entries
    )


def _check_list(slot: Slot, given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise BadParameter("is no list", where=slot.name, fix="write [first, second]")
    return list(given)


def _check_texts(slot: Slot, given: Any) -> list[str]:
    return [_check_text(slot, one) for one in _check_list(slot, [given] if isinstance(given, str) else given)]


def _check_text(slot: Slot, given: Any) -> str:
    if not isinstance(given, str):
        raise BadParameter("is no text", where=slot.name, fix=slot.help)
    return given
